import { isIP } from 'node:net';
import type { CertificateOptions } from '../certs/certificate-set.ts';
import { OperatorError } from '../lib/errors.ts';
import type { RegistrationOptions } from '../registration/desired.ts';
import { isOfTls13, openSslSuites, tls13Names } from '../webhook/cipher-suites.ts';
import { hostOf } from './option-parsers.ts';
import {
  type OptionDefinition,
  type OptionName,
  type OptionValues,
  optionLabel,
  optionNames,
  options,
} from './options.ts';

/** All options, checked and parsed. Durations are milliseconds. */
export type Config = ReturnType<typeof toConfig>;

/** The URL path of the endpoint. */
export const WEBHOOK_PATH = '/modify-terraform-job';

export const DEFAULT_NAMESPACE = 'vela-system';

/**
 * The option values as text, by option name. An empty text means the default, because a manifest can set an environment
 * variable to an empty text.
 */
export type RawOptions = Partial<Record<OptionName, string>>;

/**
 * Checks all options at once and builds the configuration.
 *
 * @param podNamespace the namespace of the Pod that this process runs in; `undefined` outside of a Pod.
 * @param otherProblems problems of files and of the kubeconfig, reported in the same error.
 * @throws OperatorError `CONFIG_INVALID` whose message has a line for each problem: option, variable, value given, values allowed.
 */
export function readConfig(raw: RawOptions, podNamespace?: string, otherProblems: readonly string[] = []): Config {
  const problems: string[] = [];
  const values = Object.fromEntries(
    optionNames.map((name) => [name, readOption(name, raw[name], problems)]),
  ) as OptionValues;
  problems.push(...contradictions(values), ...otherProblems);
  if (problems.length > 0) {
    throw new OperatorError('CONFIG_INVALID', problems.map((problem) => `  ${problem}`).join('\n'));
  }
  return toConfig(values, podNamespace);
}

function readOption(name: OptionName, raw: string | undefined, problems: string[]): unknown {
  const definition: OptionDefinition<unknown> = options[name];
  const text = raw || definition.default;
  if (text === undefined) return undefined;
  const parsed = definition.parse(text);
  if ('value' in parsed) return parsed.value;
  problems.push(`${optionLabel(name)}: invalid value ${JSON.stringify(text)}: must be ${parsed.allowed}`);
  return undefined;
}

/**
 * A CA lifetime must have at least this many settle times: a CA rotation starts when a third of the lifetime is left,
 * and waits the settle time twice.
 */
const SETTLES_IN_A_LIFETIME = 6;

/**
 * Returns the problems that the parser of one option cannot find, such as two options that contradict each other. The
 * value of an invalid option is `undefined` here.
 */
function contradictions(values: Partial<OptionValues>): string[] {
  const url = values['webhook-url'];
  const { 'ca-lifetime': caMs = Infinity, 'cert-lifetime': servingMs = 0, 'settle-time': settleMs = 0 } = values;
  const suites = values['tls-cipher-suites'];
  const port = values['webhook-bind-port'];
  const rows: readonly (readonly [isBroken: boolean | undefined, name: OptionName, problem: string])[] = [
    [
      url && url.pathname !== '/' && url.pathname !== WEBHOOK_PATH,
      'webhook-url',
      `invalid path ${JSON.stringify(url?.pathname)}: must be ${WEBHOOK_PATH} or empty`,
    ],
    [
      servingMs > caMs,
      'cert-lifetime',
      'must not be longer than --ca-lifetime, because a certificate cannot outlive its CA',
    ],
    [
      settleMs > caMs / SETTLES_IN_A_LIFETIME,
      'settle-time',
      'must not be longer than a sixth of --ca-lifetime, because a CA rotation must finish before the old CA expires',
    ],
    [
      values['client-name'] && values['client-ca-file'] === undefined,
      'client-name',
      'requires --client-ca-file, because only a verified certificate proves the name of a client',
    ],
    [
      values['tls-min-version'] === 'TLSv1.3' && suites && !suites.some(isOfTls13),
      'tls-cipher-suites',
      `must include at least one of ${tls13Names.join(', ')}, because --tls-min-version is TLSv1.3`,
    ],
    [
      port !== undefined && port !== 0 && port === values['metrics-bind-port'],
      'metrics-bind-port',
      `invalid value ${port}: must differ from --webhook-bind-port`,
    ],
  ];
  return rows.filter(([isBroken]) => isBroken).map(([, name, problem]) => `${optionLabel(name)}: ${problem}`);
}

function toConfig(values: OptionValues, podNamespace: string | undefined) {
  const namespace = values.namespace ?? podNamespace ?? DEFAULT_NAMESPACE;
  const service = { name: values['service-name'], namespace, port: values['service-port'], path: WEBHOOK_PATH };
  const url = values['webhook-url'];
  if (url) url.pathname = WEBHOOK_PATH;
  const address = values['webhook-bind-address'];
  const certificates: CertificateOptions = {
    names: url ? urlNames(url) : serviceNames(service.name, namespace),
    caSubject: values['ca-subject'],
    servingSubject: values.subject,
    caLifetimeMs: values['ca-lifetime'],
    servingLifetimeMs: values['cert-lifetime'],
    keySize: values['key-size'],
    settleMs: values['settle-time'],
  };
  const metadata = { labels: values['object-labels'] ?? {}, annotations: values['object-annotations'] ?? {} };
  const registration: RegistrationOptions = {
    metadata,
    name: values['webhook-configuration-name'],
    target: url ? { url: url.href } : { service },
    failurePolicy: values['failure-policy'],
    timeoutSeconds: values['timeout-seconds'],
  };
  return {
    kubeconfig: values.kubeconfig,
    namespace,
    secretName: values['secret-name'],
    /** The ClusterRole that owns the objects which the daemon creates. */
    ownerClusterRole: values['owner-cluster-role'],
    /** Labels and annotations of each object that the daemon creates. */
    metadata,
    certificates,
    /**
     * Directory of a user-provided `cert.pem` and `key.pem`. If set, the daemon neither reads nor writes the Secret.
     */
    certificateDirectory: values['webhook-cert-path'],
    /** The policy file. If absent, the daemon uses the built-in policy. */
    policyFile: values['policy-file'],
    rotateOnStart: values['rotate-on-start'],
    registration,
    heal: values.heal,
    /** The namespaces whose Jobs the backstop reads. If absent, it reads the Jobs of all namespaces. */
    backstopNamespaces: values['backstop-namespaces'],
    endpoint: {
      port: values['webhook-bind-port'],
      address,
      drainMs: values['drain-time'],
      tls: {
        minVersion: values['tls-min-version'],
        cipherSuites: values['tls-cipher-suites'] ?? openSslSuites,
      },
      maxConnections: values['max-connections'],
      clientNames: values['client-name'],
    },
    /**
     * File with the CA certificates that verify client certificates. Without it, the endpoint requests no client
     * certificate.
     */
    clientCaFile: values['client-ca-file'],
    probes: { port: values['metrics-bind-port'], address },
    log: { level: values['log-level'], format: values['log-format'] },
  } as const;
}

/**
 * Returns the DNS names of the Service. The API server verifies the first name. The other names are for clients in the
 * cluster, such as curl.
 */
function serviceNames(name: string, namespace: string): CertificateOptions['names'] {
  const full = `${name}.${namespace}.svc`;
  return { dns: [full, `${full}.cluster.local`, `${name}.${namespace}`, name], ip: [] };
}

function urlNames(url: URL): CertificateOptions['names'] {
  const host = hostOf(url);
  return isIP(host) === 0 ? { dns: [host], ip: [] } : { dns: [], ip: [host] };
}
