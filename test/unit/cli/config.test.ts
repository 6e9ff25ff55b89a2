import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import { type RawOptions, readConfig } from '../../../src/cli/config.ts';
import { optionNames } from '../../../src/cli/options.ts';

const DAY_MS = 24 * 3_600_000;

/** Returns the default subject as it is in a certificate. */
const subject = (commonName: string, organizationalUnit: string) => [
  { type: 'C', value: 'US' },
  { type: 'ST', value: 'Oregon' },
  { type: 'L', value: 'Portland' },
  { type: 'O', value: 'Kubernetes' },
  { type: 'OU', value: organizationalUnit },
  { type: 'CN', value: commonName },
];

/** A value other than the default for each option. */
const everyOption: Required<RawOptions> = {
  kubeconfig: '/etc/kubeconfig',
  namespace: 'ops',
  'service-name': 'job-webhook',
  'service-port': '8443',
  'secret-name': 'job-webhook.cert',
  'webhook-configuration-name': 'job.webhook',
  'owner-cluster-role': 'system:jobs',
  'object-labels': 'team=a',
  'object-annotations': 'owner=b',
  'webhook-bind-port': '9443',
  'webhook-bind-address': '::1',
  'client-ca-file': '/pki/ca.pem',
  'client-name': 'kube-apiserver',
  'tls-min-version': 'TLSv1.3',
  'tls-cipher-suites': 'TLS_AES_128_GCM_SHA256',
  'max-connections': '50',
  'webhook-cert-path': '/certs',
  'webhook-url': 'https://127.0.0.1:9443',
  'policy-file': '/policy/policy.yaml',
  'failure-policy': 'Fail',
  'timeout-seconds': '7',
  'ca-lifetime': '2h',
  'cert-lifetime': '1h',
  'settle-time': '90s',
  'key-size': '4096',
  'rotate-on-start': 'false',
  'ca-subject': 'CN=ca cn,C=DE',
  subject: 'O=o',
  heal: 'new',
  'backstop-namespaces': 'team-a,team-b',
  'metrics-bind-port': '9090',
  'drain-time': '1s',
  'log-level': 'debug',
  'log-format': 'pretty',
};

describe('the configuration', () => {
  test('the configuration without options has the documented defaults', () => {
    assert.deepEqual(readConfig({}), {
      kubeconfig: undefined,
      namespace: 'vela-system',
      secretName: 'terraform-job-webhook-cert',
      ownerClusterRole: 'terraform-daemon',
      metadata: { labels: {}, annotations: {} },
      certificates: {
        names: {
          dns: [
            'terraform-job-webhook-service.vela-system.svc',
            'terraform-job-webhook-service.vela-system.svc.cluster.local',
            'terraform-job-webhook-service.vela-system',
            'terraform-job-webhook-service',
          ],
          ip: [],
        },
        caSubject: subject('Kubernetes', 'CA'),
        servingSubject: subject('admission', 'Kubernetes'),
        caLifetimeMs: 3650 * DAY_MS,
        servingLifetimeMs: 90 * DAY_MS,
        keySize: 2048,
        settleMs: 60_000,
      },
      certificateDirectory: undefined,
      policyFile: undefined,
      rotateOnStart: true,
      registration: {
        metadata: { labels: {}, annotations: {} },
        name: 'terraform-job-webhook-configuration',
        target: {
          service: {
            name: 'terraform-job-webhook-service',
            namespace: 'vela-system',
            port: 443,
            path: '/modify-terraform-job',
          },
        },
        failurePolicy: 'Ignore',
        timeoutSeconds: 5,
      },
      heal: 'all',
      backstopNamespaces: undefined,
      endpoint: {
        port: 8090,
        address: undefined,
        drainMs: 5000,
        maxConnections: 1000,
        clientNames: undefined,
        tls: {
          minVersion: 'TLSv1.2',
          cipherSuites: [
            ...['TLS_AES_128_GCM_SHA256', 'TLS_AES_256_GCM_SHA384', 'TLS_CHACHA20_POLY1305_SHA256'],
            ...['ECDHE-ECDSA-AES128-GCM-SHA256', 'ECDHE-RSA-AES128-GCM-SHA256', 'ECDHE-ECDSA-AES256-GCM-SHA384'],
            ...['ECDHE-RSA-AES256-GCM-SHA384', 'ECDHE-ECDSA-CHACHA20-POLY1305', 'ECDHE-RSA-CHACHA20-POLY1305'],
          ],
        },
      },
      clientCaFile: undefined,
      probes: { port: 8080, address: undefined },
      log: { level: 'info', format: 'json' },
    });
  });

  test('each option changes its field of the configuration', () => {
    assert.deepEqual(readConfig(everyOption, 'of-the-pod'), {
      kubeconfig: '/etc/kubeconfig',
      namespace: 'ops',
      secretName: 'job-webhook.cert',
      ownerClusterRole: 'system:jobs',
      metadata: { labels: { team: 'a' }, annotations: { owner: 'b' } },
      certificates: {
        names: { dns: [], ip: ['127.0.0.1'] },
        caSubject: [
          { type: 'C', value: 'DE' },
          { type: 'CN', value: 'ca cn' },
        ],
        servingSubject: [{ type: 'O', value: 'o' }],
        caLifetimeMs: 7_200_000,
        servingLifetimeMs: 3_600_000,
        keySize: 4096,
        settleMs: 90_000,
      },
      certificateDirectory: '/certs',
      policyFile: '/policy/policy.yaml',
      rotateOnStart: false,
      registration: {
        metadata: { labels: { team: 'a' }, annotations: { owner: 'b' } },
        name: 'job.webhook',
        target: { url: 'https://127.0.0.1:9443/modify-terraform-job' },
        failurePolicy: 'Fail',
        timeoutSeconds: 7,
      },
      heal: 'new',
      backstopNamespaces: ['team-a', 'team-b'],
      endpoint: {
        port: 9443,
        address: '::1',
        drainMs: 1000,
        maxConnections: 50,
        clientNames: ['kube-apiserver'],
        tls: { minVersion: 'TLSv1.3', cipherSuites: ['TLS_AES_128_GCM_SHA256'] },
      },
      clientCaFile: '/pki/ca.pem',
      probes: { port: 9090, address: '::1' },
      log: { level: 'debug', format: 'pretty' },
    });
  });

  for (const name of optionNames) {
    test(`the configuration depends on the value of --${name}`, () => {
      const { [name]: value, ...others } = everyOption;
      const isRead = differs(everyOption, others) || differs({ [name]: value }, {});
      assert.ok(isRead, `toConfig does not read ${name}`);
    });
  }

  test('an empty option counts as not set', () => {
    const empty = Object.fromEntries(Object.keys(rawDefaults).map((name) => [name, ''])) as RawOptions;
    assert.deepEqual(readConfig(empty, 'of-the-pod'), readConfig({}, 'of-the-pod'));
  });
});

/** Returns whether two sets of options are both valid and give different configurations. */
function differs(one: RawOptions, other: RawOptions): boolean {
  try {
    return !isDeepStrictEqual(readConfig(one), readConfig(other));
  } catch {
    return false;
  }
}

const rawDefaults = { kubeconfig: '', namespace: '', 'service-port': '', 'webhook-url': '', 'log-level': '' };

describe('the namespace of the configuration', () => {
  test('the option --namespace overrides the namespace of the Pod', () => {
    assert.equal(readConfig({ namespace: 'asked-for' }, 'of-the-pod').namespace, 'asked-for');
  });

  test('the default namespace is the one of the Pod, else vela-system', () => {
    assert.equal(readConfig({}, 'of-the-pod').namespace, 'of-the-pod');
    assert.equal(readConfig({}).namespace, 'vela-system');
  });

  test('the configured namespace is part of the certificate names and of the registration', () => {
    const { certificates, registration } = readConfig({ 'service-name': 'job-webhook' }, 'ops');
    assert.deepEqual(certificates.names, {
      dns: ['job-webhook.ops.svc', 'job-webhook.ops.svc.cluster.local', 'job-webhook.ops', 'job-webhook'],
      ip: [],
    });
    const service = { name: 'job-webhook', namespace: 'ops', port: 443, path: '/modify-terraform-job' };
    assert.deepEqual(registration.target, { service });
  });
});

describe('the option --webhook-url', () => {
  const cases = {
    'https://job-webhook.example.com:8443': {
      names: { dns: ['job-webhook.example.com'], ip: [] },
      registered: 'https://job-webhook.example.com:8443/modify-terraform-job',
    },
    'https://192.0.2.7/modify-terraform-job': {
      names: { dns: [], ip: ['192.0.2.7'] },
      registered: 'https://192.0.2.7/modify-terraform-job',
    },
    'https://[::1]:8090/': {
      names: { dns: [], ip: ['::1'] },
      registered: 'https://[::1]:8090/modify-terraform-job',
    },
    'https://[2001:DB8:0::7]': {
      names: { dns: [], ip: ['2001:db8::7'] },
      registered: 'https://[2001:db8::7]/modify-terraform-job',
    },
    'https://Bücher.example:443': {
      names: { dns: ['xn--bcher-kva.example'], ip: [] },
      registered: 'https://xn--bcher-kva.example/modify-terraform-job',
    },
  };
  for (const [url, { names, registered }] of Object.entries(cases)) {
    test(`the webhook URL ${url} is registered with its path, and the certificate is only for its host`, () => {
      const { certificates, registration } = readConfig({ 'webhook-url': url });
      assert.deepEqual(certificates.names, names);
      assert.deepEqual(registration.target, { url: registered });
    });
  }

  test('--webhook-url with a path other than /modify-terraform-job is refused', () => {
    assert.throws(() => readConfig({ 'webhook-url': 'https://host/other' }), {
      code: 'CONFIG_INVALID',
      message:
        '  --webhook-url (TERRAFORM_DAEMON_WEBHOOK_URL): invalid path "/other": must be /modify-terraform-job or empty',
    });
  });
});

describe('options that contradict each other', () => {
  test('a --cert-lifetime longer than --ca-lifetime is refused', () => {
    assert.throws(() => readConfig({ 'ca-lifetime': '1h', 'cert-lifetime': '61m' }), {
      code: 'CONFIG_INVALID',
      message: /^ {2}--cert-lifetime \(TERRAFORM_DAEMON_CERT_LIFETIME\): must not be longer than --ca-lifetime/,
    });
    assert.doesNotThrow(() => readConfig({ 'ca-lifetime': '1h', 'cert-lifetime': '60m' }));
  });

  test('a --settle-time longer than a sixth of --ca-lifetime is refused', () => {
    assert.throws(() => readConfig({ 'ca-lifetime': '1h', 'cert-lifetime': '1h', 'settle-time': '601s' }), {
      code: 'CONFIG_INVALID',
      message:
        '  --settle-time (TERRAFORM_DAEMON_SETTLE_TIME): must not be longer than a sixth of --ca-lifetime, ' +
        'because a CA rotation must finish before the old CA expires',
    });
    assert.doesNotThrow(() => readConfig({ 'ca-lifetime': '1h', 'cert-lifetime': '1h', 'settle-time': '10m' }));
  });

  test('--client-name without --client-ca-file is refused', () => {
    assert.throws(() => readConfig({ 'client-name': 'a' }), {
      code: 'CONFIG_INVALID',
      message: /^ {2}--client-name \(TERRAFORM_DAEMON_CLIENT_NAME\): requires --client-ca-file/,
    });
    assert.doesNotThrow(() => readConfig({ 'client-name': 'a', 'client-ca-file': '/ca.pem' }));
  });

  test('--tls-min-version=TLSv1.3 without a TLS 1.3 cipher suite is refused', () => {
    const suites = 'TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256';
    assert.throws(() => readConfig({ 'tls-min-version': 'TLSv1.3', 'tls-cipher-suites': suites }), {
      code: 'CONFIG_INVALID',
      message:
        '  --tls-cipher-suites (TERRAFORM_DAEMON_TLS_CIPHER_SUITES): ' +
        'must include at least one of TLS_AES_128_GCM_SHA256, TLS_AES_256_GCM_SHA384, TLS_CHACHA20_POLY1305_SHA256, ' +
        'because --tls-min-version is TLSv1.3',
    });
    assert.doesNotThrow(() => readConfig({ 'tls-cipher-suites': suites }));
  });

  test('equal ports of webhook and metrics are refused, unless both are 0', () => {
    assert.throws(() => readConfig({ 'webhook-bind-port': '8080' }), {
      code: 'CONFIG_INVALID',
      message:
        '  --metrics-bind-port (TERRAFORM_DAEMON_METRICS_BIND_PORT): invalid value 8080: must differ from --webhook-bind-port',
    });
    assert.doesNotThrow(() => readConfig({ 'webhook-bind-port': '0', 'metrics-bind-port': '0' }));
  });
});

describe('the report of invalid options', () => {
  const linesOf = (raw: RawOptions): string[] => {
    try {
      readConfig(raw);
      return [];
    } catch (error) {
      return (error as Error).message.split('\n').map((line) => line.replace(/^ {2}--([a-z-]+).*$/, '$1'));
    }
  };

  test('all invalid options are reported in one error, one line each', () => {
    const raw = { namespace: 'A', 'key-size': '1', 'ca-lifetime': '1h', 'webhook-bind-port': '8080', 'log-level': 'x' };
    assert.deepEqual(linesOf(raw), ['namespace', 'key-size', 'log-level', 'cert-lifetime', 'metrics-bind-port']);
  });

  test('readConfig reports the problems of files after the invalid options, in the same error', () => {
    assert.throws(() => readConfig({ 'timeout-seconds': '0' }, undefined, ['elsewhere']), {
      code: 'CONFIG_INVALID',
      message: /^ {2}--timeout-seconds .*\n {2}elsewhere$/,
    });
  });

  test('an option with an invalid value is reported once, and not also as a contradiction to another option', () => {
    assert.deepEqual(linesOf({ 'ca-lifetime': 'x' }), ['ca-lifetime']);
    assert.deepEqual(linesOf({ 'cert-lifetime': 'x', 'ca-lifetime': '1h' }), ['cert-lifetime']);
    assert.deepEqual(linesOf({ 'settle-time': 'x', 'cert-lifetime': '10s', 'ca-lifetime': '10s' }), ['settle-time']);
    assert.deepEqual(linesOf({ 'webhook-bind-port': 'x', 'metrics-bind-port': 'y' }), [
      'webhook-bind-port',
      'metrics-bind-port',
    ]);
  });

  test('an option value with line breaks stays on one line of the error', () => {
    assert.deepEqual(linesOf({ 'log-level': 'x\n  --namespace: found nothing' }), ['log-level']);
  });
});
