import { DISTINGUISHED_NAME_PATTERN } from '../../src/cli/distinguished-name.ts';
import { entriesPattern } from '../../src/cli/object-metadata.ts';
import { type OptionDefinition, type OptionName, optionNames, options } from '../../src/cli/options.ts';
import { dnsLabel, dnsSubdomain } from '../../src/lib/dns-names.ts';
import { policyJsonSchema } from '../../src/policy/schema.ts';
import { cipherSuiteNames, openSslSuites } from '../../src/webhook/cipher-suites.ts';

/**
 * One value of the Helm chart as JSON Schema (draft 7). values.schema.json, values.yaml and the table of values in the
 * documents are generated from the values in this file.
 */
export interface Value {
  readonly type: 'object' | 'array' | 'string' | 'integer' | 'boolean';
  readonly description?: string;
  /**
   * The default of the value. Absent for a group, because each value in `properties` of the group has its own default.
   */
  readonly default?: unknown;
  readonly [keyword: string]: unknown;
}

export interface Group extends Value {
  readonly properties: Readonly<Record<string, Value>>;
}

/** Returns whether the value is a group, and not a value of its own such as a map. */
export const isGroup = (value: Value): value is Group => 'properties' in value && !('default' in value);

/** Returns the source of the pattern without `^` and `$`, to be a part of a longer pattern. */
const inside = ({ source }: RegExp): string => source.slice(1, -1);
const DNS_LABEL = inside(dnsLabel.pattern);
const NAMESPACE = '[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?';
/** Cipher suites have two names: the IANA name and the OpenSSL name. Both are accepted. */
const SUITE = `(${[...new Set([...cipherSuiteNames, ...openSslSuites])].join('|')})`;
const SUBDOMAIN = inside(dnsSubdomain().pattern);
/** https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#syntax-and-character-set */
const LABEL = '[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?';
/** A common name of a client: not blank, without commas. */
const CLIENT_NAME = '[^,]*[^,\\s][^,]*';
/** Key of a Secret. It excludes "." and names that begin with "..", because the kubelet makes a file of that name. */
const SECRET_KEY = '\\.?[-A-Za-z0-9_][-A-Za-z0-9_.]*';
/**
 * A URL (RFC 3986) without "#", because the name of the alert is appended as the fragment, and without "{{", because
 * Prometheus reads the value as a template.
 */
const URL_WITHOUT_FRAGMENT = "[-A-Za-z0-9._~:/?\\[\\]@!$&'()*+,;=%]+";
/**
 * Maximum of `replicas` and `terminationGracePeriodSeconds`. Kubernetes stores `replicas` as int32. The kubelet
 * converts the grace period to nanoseconds (int64), which a much larger number of seconds overflows.
 */
const LARGEST_INTEGER = 2_147_483_647;

/**
 * Options that the chart sets itself, or that are useless in a Pod. The schema accepts them, so that a template can
 * print a better error.
 */
export const chartsOwn = {
  kubeconfig: 'the daemon uses the ServiceAccount of its Pod',
  namespace: 'use helm --namespace',
  'owner-cluster-role': 'the chart sets it to the value name',
  'client-ca-file': 'use the value clientCa',
  'webhook-cert-path': 'use the value ownCertificates',
  'webhook-url': 'the API server calls the Service of the chart',
  'policy-file': 'use the value policy',
} as const satisfies Partial<Record<OptionName, string>>;

const port: Value = { type: 'integer', minimum: 1, maximum: 65535 };
/** The form of a duration. `_checks.tpl` checks its bounds, and can parse a text of at most 64 characters. */
const duration: Value = { type: 'string', pattern: '^([0-9]+(\\.[0-9]+)?(ms|s|m|h))+$', maxLength: 64 };
const subdomain = (longest: number): Value => ({ type: 'string', pattern: `^${SUBDOMAIN}$`, maxLength: longest });
const oneOf = (...words: readonly string[]): Value => ({ type: 'string', enum: words });
const distinguishedName: Value = { type: 'string', pattern: DISTINGUISHED_NAME_PATTERN };

/** The schema of each option that a user of the chart can set. The daemon validates the value again at start. */
const forms: Readonly<Record<Exclude<OptionName, keyof typeof chartsOwn>, Value>> = {
  'service-name': { type: 'string', pattern: '^[a-z]([-a-z0-9]*[a-z0-9])?$', maxLength: 63 },
  'service-port': port,
  'secret-name': subdomain(253),
  'webhook-configuration-name': subdomain(244),
  'object-labels': { type: 'string', pattern: entriesPattern('labels') },
  'object-annotations': { type: 'string', pattern: entriesPattern('annotations') },
  'webhook-bind-port': port,
  'webhook-bind-address': { type: 'string', pattern: '^[0-9a-fA-F.:]+$' },
  'tls-min-version': oneOf('TLSv1.2', 'TLSv1.3'),
  'tls-cipher-suites': { type: 'string', pattern: `^${SUITE}(, *${SUITE})*$` },
  'client-name': { type: 'string', pattern: `^${CLIENT_NAME}(,${CLIENT_NAME})*$` },
  'max-connections': { type: 'integer', minimum: 10, maximum: 100_000 },
  'failure-policy': oneOf('Ignore', 'Fail'),
  'timeout-seconds': { type: 'integer', minimum: 1, maximum: 30 },
  'ca-lifetime': duration,
  'cert-lifetime': duration,
  'settle-time': duration,
  'key-size': { type: 'integer', enum: [2048, 3072, 4096] },
  'rotate-on-start': { type: 'boolean' },
  'ca-subject': distinguishedName,
  subject: distinguishedName,
  heal: oneOf('all', 'new', 'off'),
  'backstop-namespaces': { type: 'string', pattern: `^${NAMESPACE}(,${NAMESPACE})*$` },
  'metrics-bind-port': port,
  'drain-time': duration,
  'log-level': oneOf('error', 'warn', 'info', 'debug'),
  'log-format': oneOf('json', 'pretty'),
};

const group = (properties: Readonly<Record<string, Value>>): Group => ({
  type: 'object',
  additionalProperties: false,
  properties,
});
const text = (description: string, value = ''): Value => ({ type: 'string', default: value, description });
const name = (description: string): Value => ({ ...text(description), pattern: `^(${SUBDOMAIN})?$`, maxLength: 253 });
const key = (description: string, value: string): Value => ({
  ...text(description, value),
  pattern: `^${SECRET_KEY}$`,
  maxLength: 253,
});
const flag = (value: boolean, description: string): Value => ({ type: 'boolean', default: value, description });
/** Returns a map without a rule for its keys: `_checks.tpl` checks them, because Helm reports an error of `propertyNames` at the wrong field. */
const map = (description: string, values: object = {}): Value => ({
  type: 'object',
  default: {},
  additionalProperties: { type: 'string', ...values },
  description,
});
const labels = (description: string): Value => map(description, { pattern: `^(${LABEL})?$` });

function optionValues(): Value {
  const described = optionNames.map((name) => {
    const { description, details, defaultText, default: value }: OptionDefinition<unknown> = options[name];
    if (name in chartsOwn)
      return [name, { description: `Must not be set in the chart: ${chartsOwn[name as keyof typeof chartsOwn]}` }];
    const meaning = `${description} (default: ${value ?? defaultText})${details ? `. ${details}` : ''}`;
    return [name, { ...forms[name as keyof typeof forms], description: meaning }];
  });
  return {
    ...group(Object.fromEntries(described)),
    default: {},
    description:
      'options of the daemon: names as in `terraform-daemon run --help` without the two dashes, for example `{heal: new}`. The Service, the roles and the ports of the chart use the same names and ports',
  };
}

/** Returns the schema with `patternProperties` instead of `propertyNames`, whose errors Helm reports at the wrong field. */
function withPatterns(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(withPatterns);
  if (typeof schema !== 'object' || schema === null) return schema;
  const { propertyNames, additionalProperties, ...rest } = schema as Readonly<Record<string, unknown>>;
  const others = Object.fromEntries(Object.entries(rest).map(([name, value]) => [name, withPatterns(value)]));
  if (propertyNames === undefined)
    return additionalProperties === undefined ? others : { ...others, additionalProperties };
  const { pattern } = propertyNames as { readonly pattern: string };
  return { ...others, patternProperties: { [pattern]: additionalProperties }, additionalProperties: false };
}

function policyValue(): Value {
  const { $schema, required, ...schema } = policyJsonSchema();
  return {
    ...(withPatterns(schema) as object),
    type: 'object',
    default: {},
    // Not "required: [rules]", because the default is an empty object.
    dependencies: { namespaceSelector: ['rules'] },
    description:
      'content of the policy file: which Jobs are capped, for example `{rules: […]}`. Empty: the Jobs of terraform-controller run once. The daemon reads a change without a restart',
  };
}

const resources = { requests: { cpu: '25m', memory: '128Mi' }, limits: { memory: '512Mi' } };
const list = (description: string, items: object = { type: 'object' }): Value => ({
  type: 'array',
  default: [],
  items,
  description,
});

/** A number of Pods, or a share of `replicas`. */
const pods = { type: ['integer', 'string'], minimum: 0, maximum: LARGEST_INTEGER, pattern: '^[0-9]+%$' };
const rollingUpdate: Value = {
  type: 'object',
  additionalProperties: false,
  properties: { maxUnavailable: pods, maxSurge: pods },
};
const environmentVariable = {
  type: 'object',
  additionalProperties: false,
  required: ['name'],
  properties: {
    // https://kubernetes.io/docs/tasks/inject-data-application/define-environment-variable-container/
    name: { type: 'string', pattern: '^[ -<>-~]+$' },
    value: { type: 'string' },
    valueFrom: { type: 'object' },
  },
};

const values = group({
  name: {
    ...text('name of the Deployment, the ServiceAccount, the roles and the `app` label', 'terraform-daemon'),
    pattern: `^${DNS_LABEL}$`,
    maxLength: 50,
  },
  image: group({
    repository: {
      ...text('repository of the image', 'terraform-daemon'),
      pattern: '^[-A-Za-z0-9_./:\\[\\]]+$', // allows only the characters; _checks.tpl checks the grammar
      maxLength: 255,
    },
    tag: {
      ...text('tag of the image. Empty: the appVersion of the chart'),
      pattern: '^([A-Za-z0-9_][-A-Za-z0-9_.]*)?$',
      maxLength: 128,
    },
    digest: {
      ...text(
        'digest of the image, `sha256:…`. With a digest, the container runtime ignores the tag. Empty: no digest, or in the chart of a release the digest of its image, if `repository` and `tag` have their defaults',
      ),
      pattern: '^(sha256:[0-9a-f]{64})?$',
    },
    pullPolicy: {
      ...text(
        'imagePullPolicy of the container. Empty: the default of Kubernetes, which is Always for the tag `latest` and IfNotPresent for others',
      ),
      enum: ['', 'Always', 'IfNotPresent', 'Never'],
    },
    pullSecrets: list('names of the Secrets with registry credentials (imagePullSecrets)', subdomain(253)),
  }),
  replicas: {
    type: 'integer',
    minimum: 0,
    maximum: LARGEST_INTEGER,
    default: 2,
    description: 'number of replicas. Two are enough, because each replica can serve all calls',
  },
  options: optionValues(),
  policy: policyValue(),
  ownCertificates: group({
    secretName: name(
      'name of a Secret with user-provided certificates in the namespace of the release, for example a Secret of cert-manager. Empty: the daemon issues its own certificates',
    ),
    certificateKey: key('key of the certificate in the Secret `ownCertificates.secretName`', 'tls.crt'),
    privateKeyKey: key('key of the private key in the Secret `ownCertificates.secretName`', 'tls.key'),
    caKey: {
      ...key(
        'key of the CA bundle in the Secret `ownCertificates.secretName`. Empty: the CA bundle is the certificate itself',
        'ca.crt',
      ),
      pattern: `^(${SECRET_KEY})?$`,
    },
  }),
  clientCa: group({
    configMapName: name(
      'name of a ConfigMap in the namespace of the release with the CA of the client certificates. Then the endpoint serves only API servers with a certificate of this CA (docs/how-to/restrict-clients.md). Empty: every client that reaches the port',
    ),
    key: key('key of the CA in the ConfigMap `clientCa.configMapName`', 'ca.crt'),
  }),
  backstop: group({
    enabled: flag(true, 'create the RBAC of the backstop, which caps Jobs that were stored uncapped'),
    configurations: flag(
      true,
      'also create the RBAC to read the Configurations of terraform-controller, so that a failed apply is reported on its Configuration',
    ),
    limitPatches: flag(
      false,
      'also create a ValidatingAdmissionPolicy, with which the daemon can only lower the backoffLimit of a Job and add its annotation',
    ),
  }),
  serviceAccount: group({ annotations: map('annotations of the ServiceAccount') }),
  labels: labels('labels of all objects, in addition to `app`. They override the labels `app.kubernetes.io/*`'),
  podLabels: labels('labels of the Pods, in addition to `app`'),
  podAnnotations: map('annotations of the Pods'),
  resources: {
    type: 'object',
    default: resources,
    description: 'resource requests and limits of the container. docs/how-to/sizing.md has the measurements',
  },
  hostNetwork: flag(
    false,
    'run the Pods in the network of their node, for a control plane that can reach nodes but not Pods. A node runs at most one replica, because two replicas cannot use the same ports (`options.webhook-bind-port`, `options.metrics-bind-port`)',
  ),
  dnsPolicy: {
    ...oneOf('', 'ClusterFirst', 'ClusterFirstWithHostNet', 'Default'),
    default: '',
    description: 'dnsPolicy of the Pods. Empty: ClusterFirst, or ClusterFirstWithHostNet with `hostNetwork`',
  },
  strategy: {
    ...group({ type: oneOf('RollingUpdate', 'Recreate'), rollingUpdate }),
    default: {},
    description:
      'strategy of the Deployment. Empty: RollingUpdate, which starts a new replica before it stops an old one. With `hostNetwork` it stops the old replica first',
  },
  extraEnv: list(
    'further environment variables of the container, for example `{name: NO_PROXY, value: …}`. Options of the daemon belong in `options`',
    environmentVariable,
  ),
  extraVolumes: list('further volumes of the Pods', {
    type: 'object',
    required: ['name'],
    properties: { name: { type: 'string', pattern: `^${DNS_LABEL}$`, maxLength: 63 } },
  }),
  extraVolumeMounts: list('further volumeMounts of the container', {
    type: 'object',
    required: ['name', 'mountPath'],
    properties: { name: { type: 'string', minLength: 1 }, mountPath: { type: 'string', minLength: 1 } },
  }),
  priorityClassName: name('PriorityClass of the Pods'),
  nodeSelector: labels('nodeSelector of the Pods: labels that a node must have'),
  tolerations: list('tolerations of the Pods'),
  affinity: {
    type: 'object',
    additionalProperties: false,
    properties: Object.fromEntries(
      ['nodeAffinity', 'podAffinity', 'podAntiAffinity'].map((field) => [field, { type: 'object' }]),
    ),
    default: {},
    description: 'affinity of the Pods',
  },
  topologySpread: group({
    enabled: flag(true, 'spread the replicas over nodes or zones (topologySpreadConstraints)'),
    topologyKey: {
      ...text('topologyKey: node label by which the replicas are spread', 'kubernetes.io/hostname'),
      pattern: `^(${SUBDOMAIN}/)?${LABEL}$`,
      maxLength: 317,
    },
    whenUnsatisfiable: {
      ...oneOf('ScheduleAnyway', 'DoNotSchedule'),
      default: 'ScheduleAnyway',
      description: 'whenUnsatisfiable: ScheduleAnyway also starts all replicas on a cluster with one node',
    },
  }),
  terminationGracePeriodSeconds: {
    type: 'integer',
    minimum: 0,
    maximum: LARGEST_INTEGER,
    default: 0,
    description:
      'terminationGracePeriodSeconds of the Pods; must be longer than `options.drain-time`. 0: ten seconds longer than `options.drain-time`, 15 by default',
  },
  podDisruptionBudget: group({
    enabled: flag(true, 'create a PodDisruptionBudget that allows the eviction of one replica at a time'),
  }),
  networkPolicy: group({
    enabled: flag(
      true,
      'create a NetworkPolicy that admits connections to the webhook port from anywhere, and to the metrics port from Pods of all namespaces',
    ),
  }),
  monitoring: group({
    enabled: flag(false, 'create a PodMonitor and a PrometheusRule. Needs the Prometheus Operator'),
    labels: labels(
      'labels of the PodMonitor and the PrometheusRule, in addition to `app`. Your Prometheus must select these labels',
    ),
    runbookUrl: {
      ...text('URL of your copy of docs/how-to/runbook.md. The alerts link to it', 'docs/how-to/runbook.md'),
      pattern: `^${URL_WITHOUT_FRAGMENT}$`,
    },
    dashboard: flag(true, 'also create a ConfigMap with the dashboard, for the sidecar of Grafana'),
  }),
});

/** Values that a parent chart can set for this chart. The templates do not use them. */
const parents = {
  enabled: { type: 'boolean', description: 'for the condition of a parent chart. The templates do not use it' },
  global: { type: 'object', description: 'global values of a parent chart. The templates do not use them' },
};

export const chartValues: Group = values;

export const valuesSchema = {
  $schema: 'http://json-schema.org/draft-07/schema#',
  title: 'Values of the Helm chart of terraform-daemon',
  ...values,
  properties: { ...values.properties, ...parents },
};
