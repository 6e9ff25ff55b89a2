import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { readConfig } from '../../../src/cli/config.ts';
import { type OptionDefinition, type OptionName, optionNames, options } from '../../../src/cli/options.ts';
import { cipherSuiteNames } from '../../../src/webhook/cipher-suites.ts';

interface Row {
  /** The default in the syntax of the command line; `undefined` if the option has no default. */
  readonly default?: string;
  readonly variable: string;
  /** Valid texts with their parsed values. */
  readonly good: Readonly<Record<string, unknown>>;
  readonly bad: readonly string[];
  readonly allowed?: string;
}

const long = (length: number): string => 'a'.repeat(length);
const same = (...texts: readonly string[]) => Object.fromEntries(texts.map((text) => [text, text]));

const label = {
  bad: ['A', 'a.b', '-a', 'a-', 'a_b', 'é', ' a', 'a\n', long(64)],
  good: same('a', '0', 'a-0', long(63)),
};
const subdomain = (longest: number) => ({
  good: same('a', '0', 'a.b', 'a-0.b-1', long(longest)),
  bad: ['A', '.a', 'a.', 'a..b', 'a.-b', 'a_b', '/', 'a\n', long(longest + 1)],
  allowed: `a DNS subdomain: at most ${longest} of a-z, 0-9, "-" and "."`,
});
const integer = (unit: string, low: number, high: number) => ({
  good: { [low]: low, [high]: high },
  bad: [String(low - 1), String(high + 1), '-5', '1.5', '1e3', '5s', 'many'],
  allowed: `${unit} from ${low} to ${high}`,
});
const port = (low: number) => ({
  good: { [low]: low, 443: 443, 65535: 65535 },
  bad: [String(low - 1), '65536', '-1', '1.5', '0x50', '1e3', ' 80', '80 ', 'https'],
  allowed: `a port from ${low} to 65535`,
});
const duration = (shortest: string, longest: string) => ({
  bad: ['10', '10d', '1 h', '-1h', 'h', '1h ', '1h30', 'forever', '∞'],
  allowed: `a duration from ${shortest} to ${longest}, written like 87600h, 90m or 60s`,
});
const lifetime = duration('10s', '876000h');
const words = (...allowed: readonly string[]) => ({
  good: same(...allowed),
  bad: [' ', 'other', ...allowed.flatMap((word) => [word.toUpperCase(), `${word} `])],
  allowed: `one of ${allowed.join(', ')}`,
});

const rows: Readonly<Record<OptionName, Row>> = {
  kubeconfig: { variable: 'TERRAFORM_DAEMON_KUBECONFIG', good: same('/etc/kubeconfig', 'any text'), bad: [] },
  namespace: {
    variable: 'TERRAFORM_DAEMON_NAMESPACE',
    ...label,
    allowed: 'a DNS label: at most 63 of a-z, 0-9 and "-"',
  },
  'service-name': {
    default: 'terraform-job-webhook-service',
    variable: 'TERRAFORM_DAEMON_SERVICE_NAME',
    good: same('a', 'a-0', long(63)),
    bad: [...label.bad, '0', '0a'],
    allowed: 'a Service name: at most 63 of a-z, 0-9 and "-", a letter first',
  },
  'service-port': { default: '443', variable: 'TERRAFORM_DAEMON_SERVICE_PORT', ...port(1) },
  'secret-name': {
    default: 'terraform-job-webhook-cert',
    variable: 'TERRAFORM_DAEMON_SECRET_NAME',
    ...subdomain(253),
  },
  'webhook-configuration-name': {
    default: 'terraform-job-webhook-configuration',
    variable: 'TERRAFORM_DAEMON_WEBHOOK_CONFIGURATION_NAME',
    ...subdomain(244),
  },
  'owner-cluster-role': {
    default: 'terraform-daemon',
    variable: 'TERRAFORM_DAEMON_OWNER_CLUSTER_ROLE',
    good: same('a', 'A:b_c', 'a..b', long(253)),
    bad: ['.', '../..', 'a/b', 'a%2fb', 'a b', 'a\n', long(254)],
    allowed: 'the name of a ClusterRole: without "/", "%" and blanks',
  },
  // object-metadata.test.ts has more values.
  'object-labels': {
    variable: 'TERRAFORM_DAEMON_OBJECT_LABELS',
    good: { 'team=a': { team: 'a' } },
    bad: ['team'],
    allowed:
      'a list, separated by commas, of labels <key>=<value> as Kubernetes accepts them, each key once, and no key of the daemon (app.kubernetes.io/managed-by, terraform.job.kb.io/…): without "team"',
  },
  'object-annotations': {
    variable: 'TERRAFORM_DAEMON_OBJECT_ANNOTATIONS',
    good: { 'owner=Team A': { owner: 'Team A' } },
    bad: ['owner'],
    allowed:
      'a list, separated by commas, of annotations <key>=<value> as Kubernetes accepts them, each key once, and no key of the daemon (app.kubernetes.io/managed-by, terraform.job.kb.io/…): without "owner"',
  },
  'failure-policy': {
    default: 'Ignore',
    variable: 'TERRAFORM_DAEMON_FAILURE_POLICY',
    ...words('Ignore', 'Fail'),
  },
  'timeout-seconds': {
    default: '5',
    variable: 'TERRAFORM_DAEMON_TIMEOUT_SECONDS',
    ...integer('whole seconds', 1, 30),
  },
  'webhook-bind-port': { default: '8090', variable: 'TERRAFORM_DAEMON_WEBHOOK_BIND_PORT', ...port(0) },
  'webhook-bind-address': {
    variable: 'TERRAFORM_DAEMON_WEBHOOK_BIND_ADDRESS',
    good: same('127.0.0.1', '0.0.0.0', '::', '::1', 'fe80::1'),
    bad: ['localhost', '127.0.0', '256.0.0.1', '[::1]', '127.0.0.1:80'],
    allowed: 'an IP address such as 127.0.0.1 or ::',
  },
  'webhook-url': {
    variable: 'TERRAFORM_DAEMON_WEBHOOK_URL',
    good: {
      'https://host': new URL('https://host/'),
      'https://host:8443/modify-terraform-job': new URL('https://host:8443/modify-terraform-job'),
      'https://[::1]:8090': new URL('https://[::1]:8090/'),
    },
    bad: [
      ...['http://host', 'host', 'https://', 'https://user@host', 'https://:word@host', 'ftp://host', 'https://host:0'],
      ...['https://host/?', 'https://host/?a=b', 'https://host/#', 'https://host/#part', 'https://ho st'],
    ],
    allowed: 'https://host[:port][/path] without user, query or fragment, and with a port from 1',
  },
  'tls-min-version': {
    default: 'TLSv1.2',
    variable: 'TERRAFORM_DAEMON_TLS_MIN_VERSION',
    ...words('TLSv1.2', 'TLSv1.3'),
  },
  'tls-cipher-suites': {
    variable: 'TERRAFORM_DAEMON_TLS_CIPHER_SUITES',
    good: {
      TLS_AES_128_GCM_SHA256: ['TLS_AES_128_GCM_SHA256'],
      'TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, ECDHE-RSA-AES256-GCM-SHA384': [
        'ECDHE-RSA-AES128-GCM-SHA256',
        'ECDHE-RSA-AES256-GCM-SHA384',
      ],
    },
    // Rejected cipher suites: with CBC, without ephemeral key exchange, or without encryption. Also rejected: the
    // OpenSSL keywords HIGH, DEFAULT and @SECLEVEL, lists with a colon or an empty entry, and the unknown name
    // toString.
    bad: [
      ...['ECDHE-RSA-AES128-SHA256', 'TLS_RSA_WITH_AES_128_GCM_SHA256', 'AES128-GCM-SHA256', 'NULL', 'HIGH', 'DEFAULT'],
      ...['TLS_AES_128_GCM_SHA256:HIGH', 'TLS_AES_128_GCM_SHA256,', 'TLS_AES_128_GCM_SHA256,@SECLEVEL=0', 'toString'],
    ],
    allowed: `a list, separated by commas, of ${cipherSuiteNames.join(', ')}`,
  },
  'client-ca-file': { variable: 'TERRAFORM_DAEMON_CLIENT_CA_FILE', good: same('/pki/ca.pem', 'any text'), bad: [] },
  'client-name': {
    variable: 'TERRAFORM_DAEMON_CLIENT_NAME',
    good: { a: ['a'], 'kube-apiserver, b c': ['kube-apiserver', 'b c'] },
    bad: [',', 'a,', ' '],
    allowed: 'a list of names, separated by commas',
  },
  'max-connections': {
    default: '1000',
    variable: 'TERRAFORM_DAEMON_MAX_CONNECTIONS',
    ...integer('a number', 10, 100_000),
  },
  'drain-time': {
    default: '5s',
    variable: 'TERRAFORM_DAEMON_DRAIN_TIME',
    ...duration('0s', '1h'),
    good: { '0s': 0, '1m30s': 90_000, '1h': 3_600_000 },
    bad: [...duration('0s', '1h').bad, '1h1ms', '597h'],
  },
  'webhook-cert-path': { variable: 'TERRAFORM_DAEMON_WEBHOOK_CERT_PATH', good: same('/certs', '.'), bad: [] },
  'ca-lifetime': {
    default: '87600h',
    variable: 'TERRAFORM_DAEMON_CA_LIFETIME',
    ...lifetime,
    good: { '10s': 10_000, '87600h': 315_360_000_000, '876000h': 3_153_600_000_000 },
    bad: [...lifetime.bad, '9s', '9999ms', '0s', '876000h1ms', '100000000h'],
  },
  'cert-lifetime': {
    default: '2160h',
    variable: 'TERRAFORM_DAEMON_CERT_LIFETIME',
    ...lifetime,
    good: { '10s': 10_000, '1h30m': 5_400_000 },
    bad: [...lifetime.bad, '9s', '9999ms', '0s', '876000h1ms', '100000000h'],
  },
  'settle-time': {
    default: '60s',
    variable: 'TERRAFORM_DAEMON_SETTLE_TIME',
    ...duration('1s', '24h'),
    good: { '1s': 1000, '1m30s': 90_000, '24h': 86_400_000 },
    bad: [...duration('1s', '24h').bad, '0s', '999ms', '24h1ms'],
  },
  'key-size': {
    default: '2048',
    variable: 'TERRAFORM_DAEMON_KEY_SIZE',
    good: { 2048: 2048, 3072: 3072, 4096: 4096 },
    bad: ['1024', '2049', '8192', 'RSA', '2048 '],
    allowed: 'one of 2048, 3072, 4096',
  },
  'rotate-on-start': {
    default: 'true',
    variable: 'TERRAFORM_DAEMON_ROTATE_ON_START',
    good: { true: true, false: false },
    bad: ['yes', '1', '0', 'True', 'FALSE', 'true '],
    allowed: 'true or false',
  },
  // distinguished-name.test.ts tests the syntax of distinguished names in detail.
  'ca-subject': {
    default: 'CN=Kubernetes,OU=CA,O=Kubernetes,L=Portland,ST=Oregon,C=US',
    variable: 'TERRAFORM_DAEMON_CA_SUBJECT',
    good: { 'CN=a': [{ type: 'CN', value: 'a' }] },
    bad: ['C=us'],
    allowed: 'a distinguished name whose C is two capital letters (ISO 3166)',
  },
  subject: {
    default: 'CN=admission,OU=Kubernetes,O=Kubernetes,L=Portland,ST=Oregon,C=US',
    variable: 'TERRAFORM_DAEMON_SUBJECT',
    good: { 'CN=a': [{ type: 'CN', value: 'a' }] },
    bad: ['C=us'],
    allowed: 'a distinguished name whose C is two capital letters (ISO 3166)',
  },
  'policy-file': { variable: 'TERRAFORM_DAEMON_POLICY_FILE', good: same('policy.yaml', 'any text'), bad: [] },
  heal: { default: 'all', variable: 'TERRAFORM_DAEMON_HEAL', ...words('all', 'new', 'off') },
  'backstop-namespaces': {
    variable: 'TERRAFORM_DAEMON_BACKSTOP_NAMESPACES',
    good: { 'team-a': ['team-a'], 'team-a,team-b,team-a': ['team-a', 'team-b'] },
    bad: ['Team_A'],
    allowed:
      'a list, separated by commas, of namespaces, each a DNS label: at most 63 of a-z, 0-9 and "-": without "Team_A"',
  },
  'metrics-bind-port': { default: '8080', variable: 'TERRAFORM_DAEMON_METRICS_BIND_PORT', ...port(0) },
  'log-level': { default: 'info', variable: 'TERRAFORM_DAEMON_LOG_LEVEL', ...words('error', 'warn', 'info', 'debug') },
  'log-format': { default: 'json', variable: 'TERRAFORM_DAEMON_LOG_FORMAT', ...words('json', 'pretty') },
};

test('the sample options have a row for each option, in the order of --help', () => {
  assert.deepEqual(Object.keys(rows), optionNames);
});

for (const [name, row] of Object.entries(rows) as [OptionName, Row][]) {
  describe(`--${name}`, () => {
    test(`the option --${name} ${row.default === undefined ? 'has no default' : `defaults to ${row.default}`}`, () => {
      const definition: OptionDefinition<unknown> = options[name];
      assert.equal(definition.default, row.default);
    });

    test(`the option --${name} accepts its allowed values`, () => {
      for (const [text, value] of Object.entries(row.good)) {
        assert.deepEqual(options[name].parse(text), { value }, text);
      }
    });

    test(`the option --${name} refuses other values, and the error names flag, variable, given and allowed values`, () => {
      for (const text of row.bad) {
        assert.throws(() => readConfig({ [name]: text }), {
          code: 'CONFIG_INVALID',
          message: `  --${name} (${row.variable}): invalid value ${JSON.stringify(text)}: must be ${row.allowed}`,
        });
      }
    });
  });
}
