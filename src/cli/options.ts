import { distinguishedName } from './distinguished-name.ts';
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
  oneOf,
  type Parsed,
  registrationName,
  serviceLabel,
  subdomain,
  text,
  webhookUrl,
} from './option-parsers.ts';

export interface OptionDefinition<T> {
  /** The name of the value in `--help`. */
  readonly placeholder: string;
  readonly description: string;
  /** In the form of the user. Without a default the option is off, or `defaultText` says where the value comes from. */
  readonly default?: string;
  readonly defaultText?: string;
  readonly parse: (text: string) => Parsed<T>;
}

const port = (lowest: number) => ({ placeholder: 'port', parse: integer('a port', lowest, 65535) });
const file = { placeholder: 'file', parse: text };
const time = (shortest: string, longest: string) => ({ placeholder: 'duration', parse: duration(shortest, longest) });

/** Every option of `terraform-daemon run` by flag name. `--help`, the README and the chart are made from this table. */
export const options = {
  kubeconfig: {
    ...file,
    description: 'how to reach the API server',
    defaultText: "the Pod's own service account, else $KUBECONFIG, else ~/.kube/config",
  },
  namespace: {
    placeholder: 'name',
    description: 'namespace of the Service and of the Secret',
    defaultText: "the Pod's own, else vela-system",
    parse: label,
  },
  'service-name': {
    placeholder: 'name',
    description: 'Service through which the API server calls the endpoint; the serving certificate is for its name',
    default: 'terraform-job-webhook-service',
    parse: serviceLabel,
  },
  'service-port': { ...port(1), description: 'port of that Service', default: '443' },
  'secret-name': {
    placeholder: 'name',
    description: 'Secret that holds the certificate authority and the serving certificate',
    default: 'terraform-job-webhook-cert',
    parse: subdomain,
  },
  'webhook-configuration-name': {
    placeholder: 'name',
    description: 'MutatingWebhookConfiguration that the daemon creates and keeps',
    default: 'terraform-job-webhook-configuration',
    parse: registrationName,
  },
  'owner-cluster-role': {
    placeholder: 'name',
    description:
      'ClusterRole of the install: it becomes the owner of what the daemon makes, so that all of it goes with the install. The Deployment is taken to have the same name, where commands to mend something are told',
    default: 'terraform-daemon',
    parse: matching({
      pattern: /^(?!\.\.?$)[^/%\s]+$/,
      longest: 253,
      allowed: 'the name of a ClusterRole: without "/", "%" and blanks',
    }),
  },
  'webhook-bind-port': { ...port(0), description: 'port of the HTTPS endpoint; 0 takes a free one', default: '8090' },
  'webhook-bind-address': {
    placeholder: 'ip',
    description: 'address that the endpoint and the metrics listen on',
    defaultText: 'all addresses',
    parse: address,
  },
  'client-ca-file': {
    ...file,
    description:
      'who may call: only clients with a certificate of one of these authorities (PEM). API servers then need an admission kubeconfig (docs/how-to/operate.md). Read again when it changes',
    defaultText: 'whoever reaches the port',
  },
  'client-name': {
    placeholder: 'names',
    description: 'of those only the ones whose certificate has one of these CNs, with commas between them',
    defaultText: 'any',
    parse: clientNames,
  },
  'tls-min-version': {
    placeholder: 'version',
    description: 'oldest TLS that the endpoint speaks: TLSv1.2 or TLSv1.3',
    default: 'TLSv1.2',
    parse: oneOf('TLSv1.2', 'TLSv1.3'),
  },
  'tls-cipher-suites': {
    placeholder: 'suites',
    description:
      'cipher suites of the endpoint, the preferred one first, with commas between them; those of TLS 1.3 among them. Others than the default cannot be had',
    defaultText: 'each with AEAD and forward secrecy',
    parse: cipherSuites,
  },
  'max-connections': {
    placeholder: 'number',
    description:
      'connections that the endpoint holds at once; one more takes the place of the one that has been idle for longest and has not shown to be an API server',
    default: '1000',
    parse: integer('a number', 10, 100_000),
  },
  'webhook-cert-path': {
    placeholder: 'dir',
    description:
      'bring your own: cert.pem, key.pem and optionally ca.pem from this folder; nothing is issued or stored, and the files are read again when they change',
    parse: text,
  },
  'webhook-url': {
    placeholder: 'url',
    description:
      'register this URL instead of the Service, for local debugging; the certificate is for its host or IP address. Where a daemon is installed already, also give names of your own: --secret-name, --webhook-configuration-name',
    parse: webhookUrl,
  },
  'policy-file': {
    ...file,
    description:
      'which Jobs are capped, and how far: YAML or JSON, read again when it changes (see Policy in the README)',
    defaultText: "terraform-controller's Jobs run once",
  },
  'failure-policy': {
    placeholder: 'policy',
    description: 'what the API server does with a matching Job when the endpoint cannot be called: Ignore or Fail',
    default: 'Ignore',
    parse: oneOf('Ignore', 'Fail'),
  },
  'timeout-seconds': {
    placeholder: 'seconds',
    description: 'how long the API server waits for an answer',
    default: '5',
    parse: integer('whole seconds', 1, 30),
  },
  'ca-lifetime': {
    ...time('10s', '876000h'),
    description: 'how long a new certificate authority is valid',
    default: '87600h',
  },
  'cert-lifetime': {
    ...time('10s', '876000h'),
    description: 'how long a new serving certificate is valid; it is renewed at two thirds of that',
    default: '2160h',
  },
  'settle-time': {
    ...time('1s', '24h'),
    description:
      'how long a new certificate authority is published before it takes over, and its predecessor afterwards: until every API server sees the CA bundle. A replica that cannot ask the API server for twice as long may be trusted no more until it can',
    // CertificateOptions.settleMs says why.
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
    description: 'renew the serving certificate, from the same certificate authority, at every start',
    default: 'true',
    parse: boolean,
  },
  'ca-subject': {
    placeholder: 'name',
    description: 'distinguished name of the certificate authority (RFC 4514); attributes CN, OU, O, L, ST and C',
    default: 'CN=Kubernetes,OU=CA,O=Kubernetes,L=Portland,ST=Oregon,C=US',
    parse: distinguishedName,
  },
  subject: {
    placeholder: 'name',
    description: 'distinguished name of the serving certificate',
    default: 'CN=admission,OU=Kubernetes,O=Kubernetes,L=Portland,ST=Oregon,C=US',
    parse: distinguishedName,
  },
  heal: {
    placeholder: 'which',
    description:
      'Jobs that the endpoint has missed are capped afterwards: all, new (only those made after the start) or off. In its second run already, such a Job ends at once, and what it is doing is cut off',
    default: 'all',
    parse: oneOf('all', 'new', 'off'),
  },
  'metrics-bind-port': {
    ...port(0),
    description: 'port of /healthz, /readyz and /metrics (plain HTTP); 0 takes a free one',
    default: '8080',
  },
  'drain-time': {
    ...time('0s', '1h'),
    description: 'how long to go on answering after SIGTERM, so that the Service can take this Pod out first',
    default: '5s',
  },
  'log-level': {
    placeholder: 'level',
    description: 'error, warn, info or debug',
    default: 'info',
    parse: oneOf('error', 'warn', 'info', 'debug'),
  },
  'log-format': {
    placeholder: 'format',
    description: 'json (a line per event) or pretty',
    default: 'json',
    parse: oneOf('json', 'pretty'),
  },
} as const satisfies Record<string, OptionDefinition<unknown>>;

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
