import { distinguishedName } from './distinguished-name.ts';
import { entries } from './object-metadata.ts';
import {
  address,
  boolean,
  cipherSuites,
  clientNames,
  duration,
  integer,
  keySize,
  label,
  matching,
  namespaces,
  oneOf,
  type Parsed,
  type Parser,
  registrationName,
  serviceLabel,
  subdomain,
  text,
  webhookUrl,
} from './option-parsers.ts';

export interface OptionDefinition<T> {
  /** The name of the value in `--help`. */
  readonly placeholder: string;
  /** The text in `--help`, short enough for one line. */
  readonly description: string;
  /** Further sentences, which follow the description in the reference and in the chart. */
  readonly details?: string;
  /**
   * The default, as a user would write it. An option without a default is off, or `defaultText` names where its value
   * comes from.
   */
  readonly default?: string;
  /** The text that `--help` shows as the default, instead of `default`. */
  readonly defaultText?: string;
  readonly parse: Parser<T>;
}

type Definitions = Readonly<Record<string, OptionDefinition<unknown>>>;

const port = (lowest: number) => ({ placeholder: 'port', parse: integer('a port', lowest, 65535) });
const file = { placeholder: 'file', parse: text };
const time = (shortest: string, longest: string) => ({ placeholder: 'duration', parse: duration(shortest, longest) });

const connection = {
  kubeconfig: {
    ...file,
    description: 'kubeconfig',
    details:
      'Without this option the daemon uses the service account of its Pod. Outside of a Pod it uses the files in $KUBECONFIG, else ~/.kube/config.',
    defaultText: 'in-cluster, $KUBECONFIG, ~/.kube/config',
  },
} as const satisfies Definitions;

const names = {
  namespace: {
    placeholder: 'name',
    description: 'namespace of the install',
    details: 'The namespace holds the Service, the Secret and the Lease.',
    defaultText: "the Pod's, or vela-system",
    parse: label,
  },
  'service-name': {
    placeholder: 'name',
    description: 'the webhook Service',
    details: 'The API server calls the endpoint through this Service. The serving certificate is for its DNS name.',
    default: 'terraform-job-webhook-service',
    parse: serviceLabel,
  },
  'service-port': { ...port(1), description: 'port of the webhook Service', default: '443' },
  'secret-name': {
    placeholder: 'name',
    description: 'Secret for certificates',
    details: 'The Secret holds the CA and the serving certificate with their keys.',
    default: 'terraform-job-webhook-cert',
    parse: subdomain,
  },
  'webhook-configuration-name': {
    placeholder: 'name',
    description: 'MutatingWebhookConfiguration that the daemon creates and updates',
    default: 'terraform-job-webhook-configuration',
    parse: registrationName,
  },
  'owner-cluster-role': {
    placeholder: 'name',
    description: 'ClusterRole that owns the objects',
    details:
      'The daemon sets this ClusterRole as the owner of the Secret, the Lease and the MutatingWebhookConfiguration, so that Kubernetes deletes them with the ClusterRole. The kubectl commands in messages assume that the Deployment has the same name.',
    default: 'terraform-daemon',
    parse: matching({
      pattern: /^(?!\.\.?$)[^/%\s]+$/,
      longest: 253,
      allowed: 'the name of a ClusterRole: without "/", "%" and blanks',
    }),
  },
  'object-labels': {
    placeholder: 'list',
    description: 'labels of the created objects',
    details:
      'A list with commas, such as team=payments,example.com/cost-center=42. The daemon sets these labels on the Secret, the Lease and the MutatingWebhookConfiguration, for example because a policy of the cluster demands them. The label of the daemon itself, app.kubernetes.io/managed-by, cannot be changed.',
    defaultText: 'none',
    parse: entries('labels'),
  },
  'object-annotations': {
    placeholder: 'list',
    description: 'annotations of the created objects',
    details: 'A list as for --object-labels. A value must not contain a comma.',
    defaultText: 'none',
    parse: entries('annotations'),
  },
} as const satisfies Definitions;

const webhook = {
  'failure-policy': {
    placeholder: 'policy',
    description: 'webhook failurePolicy: Ignore or Fail',
    details:
      'If the API server cannot call the endpoint, it stores a matching Job unchanged (Ignore) or rejects it (Fail).',
    default: 'Ignore',
    parse: oneOf('Ignore', 'Fail'),
  },
  'timeout-seconds': {
    placeholder: 'seconds',
    description: 'seconds that the API server waits for an answer',
    default: '5',
    parse: integer('whole seconds', 1, 30),
  },
  'webhook-bind-port': {
    ...port(0),
    description: 'HTTPS port of the endpoint; 0: any free port',
    default: '8090',
  },
  'webhook-bind-address': {
    placeholder: 'ip',
    description: 'IP address to listen on',
    details: 'The address applies to the probes and the metrics too.',
    defaultText: 'all addresses',
    parse: address,
  },
  'webhook-url': {
    placeholder: 'url',
    description: 'URL to register instead of the Service, for debugging',
    details:
      'The serving certificate is for the host or the IP address of the URL. If the cluster has a daemon already, also set --secret-name and --webhook-configuration-name.',
    parse: webhookUrl,
  },
  'tls-min-version': {
    placeholder: 'version',
    description: 'oldest TLS version: TLSv1.2 or TLSv1.3',
    default: 'TLSv1.2',
    parse: oneOf('TLSv1.2', 'TLSv1.3'),
  },
  'tls-cipher-suites': {
    placeholder: 'suites',
    description: 'cipher suites',
    details:
      'A comma-separated list, the preferred suite first. Without a TLS 1.3 suite in it, TLS 1.3 is off. Only suites of the default are allowed.',
    defaultText: 'all with AEAD and forward secrecy',
    parse: cipherSuites,
  },
  'client-ca-file': {
    ...file,
    description: 'require client certificates signed by the CAs in this file',
    details:
      'A PEM file, read again when it changes. API servers then need an admission kubeconfig (docs/how-to/restrict-clients.md). Without this option every client that reaches the port can call the endpoint.',
    parse: text,
  },
  'client-name': {
    placeholder: 'names',
    description: 'allowed client common names, comma-separated',
    details: 'The endpoint then serves only clients with one of these common names. Needs --client-ca-file.',
    defaultText: 'any',
    parse: clientNames,
  },
  'max-connections': {
    placeholder: 'number',
    description: 'maximum number of open connections',
    details:
      'At this number, each new connection closes an open one: first a connection of a client that has not proven to be an API server (no verified client certificate, no answered review). Of several such connections it closes the connection that is idle for longest.',
    default: '1000',
    parse: integer('a number', 10, 100_000),
  },
  'drain-time': {
    ...time('0s', '1h'),
    description: 'time to keep serving after SIGTERM',
    details: 'In this time Kubernetes stops sending new connections to the Pod.',
    default: '5s',
  },
} as const satisfies Definitions;

const certificates = {
  'webhook-cert-path': {
    placeholder: 'dir',
    description: 'directory of a user-provided certificate',
    details:
      'The directory holds cert.pem, key.pem and optionally ca.pem. With this option the daemon issues no certificate and does not use the Secret. It reads the files again when they change.',
    parse: text,
  },
  'ca-lifetime': { ...time('10s', '876000h'), description: 'validity of a new CA', default: '87600h' },
  'cert-lifetime': {
    ...time('10s', '876000h'),
    description: 'validity of a new serving certificate',
    details: 'The daemon renews the certificate after two thirds of this time.',
    default: '2160h',
  },
  'settle-time': {
    ...time('1s', '24h'),
    description: 'time for all API servers to load a new CA',
    details:
      'A CA rotation waits this long twice: before the new CA replaces the old CA, and before the old CA leaves the CA bundle. If a replica cannot reach the API server for this time after the switch, API servers can refuse its certificate until it reaches the API server again.',
    // CertificateOptions.settleMs gives the reason for 60 s.
    default: '60s',
  },
  'key-size': {
    placeholder: 'bits',
    description: 'size of new RSA keys: 2048, 3072 or 4096',
    default: '2048',
    parse: keySize,
  },
  'rotate-on-start': {
    placeholder: 'boolean',
    description: 'renew the serving certificate at each start',
    details: 'The CA stays the same.',
    default: 'true',
    parse: boolean,
  },
  'ca-subject': {
    placeholder: 'name',
    description: 'subject of the CA (RFC 4514)',
    details: 'The attributes CN, OU, O, L, ST and C are allowed.',
    defaultText: 'CN=Kubernetes,…',
    default: 'CN=Kubernetes,OU=CA,O=Kubernetes,L=Portland,ST=Oregon,C=US',
    parse: distinguishedName,
  },
  subject: {
    placeholder: 'name',
    description: 'subject of the serving certificate',
    details: 'The form is the same as for --ca-subject.',
    defaultText: 'CN=admission,…',
    default: 'CN=admission,OU=Kubernetes,O=Kubernetes,L=Portland,ST=Oregon,C=US',
    parse: distinguishedName,
  },
} as const satisfies Definitions;

const policy = {
  'policy-file': {
    ...file,
    description: 'policy: which Jobs get which backoffLimit',
    details:
      "A YAML or JSON file, read again when it changes. The built-in policy sets backoffLimit 0 on terraform-controller's Jobs.",
    defaultText: 'built-in',
  },
  heal: {
    placeholder: 'which',
    description: 'cap Jobs stored uncapped: all, new or off',
    details:
      'With new, the daemon caps only Jobs created after its start. A cap leaves as many failures as the current run needs to finish.',
    default: 'all',
    parse: oneOf('all', 'new', 'off'),
  },
  'backstop-namespaces': {
    placeholder: 'list',
    description: 'namespaces of the backstop',
    details:
      'A list with commas, such as team-a,team-b. The daemon then lists and watches the Jobs of these namespaces only, which needs a Role in each namespace instead of the ClusterRole terraform-daemon-backstop. The webhook caps the Jobs of all namespaces.',
    defaultText: 'all namespaces',
    parse: namespaces,
  },
} as const satisfies Definitions;

const probes = {
  'metrics-bind-port': {
    ...port(0),
    description: 'HTTP port of probes and metrics; 0: any free',
    details: 'The paths are /healthz, /readyz and /metrics.',
    default: '8080',
  },
} as const satisfies Definitions;

const logs = {
  'log-level': {
    placeholder: 'level',
    description: 'log level: error, warn, info or debug',
    default: 'info',
    parse: oneOf('error', 'warn', 'info', 'debug'),
  },
  'log-format': {
    placeholder: 'format',
    description: 'json (one line per event) or pretty',
    default: 'json',
    parse: oneOf('json', 'pretty'),
  },
} as const satisfies Definitions;

/** Every option of `terraform-daemon run` by flag name. `--help`, the reference and the chart are made from this table. */
export const options = {
  ...connection,
  ...names,
  ...webhook,
  ...certificates,
  ...policy,
  ...probes,
  ...logs,
};

/** The options by group, in the order of `--help`. */
export const optionGroups = {
  'Connection to the API server': connection,
  Names: names,
  'Webhook and TLS': webhook,
  Certificates: certificates,
  'Policy and backstop': policy,
  Probes: probes,
  Logs: logs,
} as const satisfies Readonly<Record<string, Definitions>>;

/** The options that users change most, for the first lines of `--help`. */
export const oftenChanged = ['namespace', 'policy-file', 'failure-policy', 'heal', 'log-level'] as const;

export type OptionName = keyof typeof options;
type ValueOf<D> = D extends { readonly parse: (text: string) => Parsed<infer T> } ? T : never;

/** The parsed values. Only options without a default can be absent. */
export type OptionValues = {
  readonly [Name in OptionName]:
    | ValueOf<(typeof options)[Name]>
    | ((typeof options)[Name] extends { readonly default: string } ? never : undefined);
};

export const optionNames = Object.keys(options) as OptionName[];

/** The flag and the variable of an option, for messages. */
export const optionLabel = (name: OptionName): string => `--${name} (${environmentName(name)})`;

/** `--service-name` is `TERRAFORM_DAEMON_SERVICE_NAME` in the environment. */
export const environmentName = (name: OptionName): string =>
  `TERRAFORM_DAEMON_${name.toUpperCase().replaceAll('-', '_')}`;
