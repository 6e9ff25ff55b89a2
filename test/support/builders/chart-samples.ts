import packageJson from '../../../package.json' with { type: 'json' };
import type { OptionName } from '../../../src/cli/options.ts';
import type { chartsOwn } from '../../../tools/chart/values.ts';

/** Sample values of each option: values that the daemon accepts, and values that it rejects. */
export const SAMPLES: Readonly<
  Record<Exclude<OptionName, keyof typeof chartsOwn>, readonly [taken: readonly unknown[], refused: readonly unknown[]]>
> = {
  'service-name': [
    ['a', 'my-service'],
    ['1a', 'A', 'a.b', '', 'a-', 'a'.repeat(64)],
  ],
  'service-port': [
    [1, 443, 65535],
    [0, 65536, 'https', 1.5],
  ],
  'secret-name': [
    ['a', 'my.secret', '1-a'],
    ['A', 'a..b', '', 'a_b', `${'a'.repeat(254)}`],
  ],
  'webhook-configuration-name': [
    ['a', 'my.configuration', 'a'.repeat(244)],
    ['A', '-a', '', 'a/b', 'a'.repeat(245)],
  ],
  'object-labels': [
    ['team=payments', 'a=', 'example.com/cost-center=42,team=A_b.c'],
    ['team', '=a', 'team=a b', 'team=a,,b=c', 'Example.com/a=b', 'a/b/c=d', `a=${'b'.repeat(64)}`, ''],
  ],
  'object-annotations': [
    ['example.com/owner=Team Payments', 'a=', 'a=b=c: {}'],
    ['owner', '=a', 'a=b,c', 'a b=c', ''],
  ],
  'webhook-bind-port': [
    [1, 8090, 65535],
    [65536, -1, 'a'],
  ],
  'webhook-bind-address': [
    ['0.0.0.0', '::', '10.0.0.1'],
    ['localhost', '', 'a b'],
  ],
  'tls-min-version': [
    ['TLSv1.2', 'TLSv1.3'],
    ['TLSv1.1', '', '1.2'],
  ],
  'tls-cipher-suites': [
    ['TLS_AES_128_GCM_SHA256', 'TLS_AES_128_GCM_SHA256,ECDHE-RSA-AES256-GCM-SHA384'],
    ['', 'a', 'A:B', 'TLS_RSA_WITH_AES_128_GCM_SHA256', 'TLS_AES_128_GCM_SHA256,'],
  ],
  'client-name': [
    ['kube-apiserver', 'a b, c'],
    ['', 'a,', ',', ' '],
  ],
  'max-connections': [
    [10, 1000],
    [9, 100_001, 'many', 10.5],
  ],
  'failure-policy': [
    ['Ignore', 'Fail'],
    ['fail', '', 'Deny'],
  ],
  'timeout-seconds': [
    [1, 30],
    [0, 31, 'a', 2.5],
  ],
  'ca-lifetime': [
    ['87600h', '876000h'],
    ['10', 'ten hours', '-1h', '1d', ''],
  ],
  'cert-lifetime': [
    ['2160h', '1h30m'],
    ['10', '1 h', ''],
  ],
  'settle-time': [
    ['60s', '1.5m'],
    ['60', '1 minute', ''],
  ],
  'key-size': [
    [2048, 3072, 4096],
    [1024, 2047, 'big'],
  ],
  'rotate-on-start': [
    [true, false],
    ['yes', 1, ''],
  ],
  'ca-subject': [
    ['CN=My CA', 'CN=Prüfstelle \\"1\\"\\, Mitte,OU=a,OU=b, C=DE', `CN=a,ST=${'a'.repeat(128)}`],
    ['', 'CN=', 'My CA', 'CN=a\nb', 'CN=a,b', `CN=${'a'.repeat(65)}`],
  ],
  subject: [
    ['CN={{ .Release.Name }}', 'O=a: #1', 'CN=\\C3\\A9'],
    ['', 'CN=a;O=b', 'DC=a', 'C=de', 'CN=a ', 'CN=a\u0000b'],
  ],
  'backstop-namespaces': [
    ['a', 'team-a,team-b', 'a'.repeat(63)],
    ['A', 'a,', 'a, b', 'a.b', '*', `${'a'.repeat(64)}`, ''],
  ],
  heal: [
    ['all', 'new', 'off'],
    ['some', '', true],
  ],
  'metrics-bind-port': [
    [2, 8080],
    [65536, 'a'],
  ],
  'drain-time': [
    ['0s', '30s'],
    ['0', 'a', ''],
  ],
  'log-level': [
    ['error', 'warn', 'info', 'debug'],
    ['trace', 'INFO', ''],
  ],
  'log-format': [
    ['json', 'pretty'],
    ['text', ''],
  ],
};

/** Returns the nth sample of each option, or its last sample if it has fewer. */
export const samples = (which: 0 | 1, n: number) =>
  Object.fromEntries(
    Object.entries(SAMPLES).map(([name, lists]) => [name, lists[which][Math.min(n, lists[which].length - 1)]]),
  );
export const most = (which: 0 | 1) => Math.max(...Object.values(SAMPLES).map((lists) => lists[which].length));

/** Chart values that all differ from their defaults. */
export const EVERYTHING = {
  name: 'job-cap',
  image: {
    repository: 'registry.example.com/a/b',
    tag: '2',
    digest: `sha256:${'a'.repeat(64)}`,
    pullPolicy: 'Always',
    pullSecrets: ['one', 'two'],
  },
  replicas: 3,
  options: { ...samples(0, 1), 'backstop-namespaces': 'team-a' },
  policy: {
    namespaceSelector: { matchLabels: { team: 'a' } },
    rules: [
      {
        name: 'all',
        match: { labels: { team: 'a' } },
        set: { backoffLimit: 2147483647, restartPolicy: 'Keep' },
      },
    ],
  },
  ownCertificates: { secretName: 'mine', certificateKey: 'a', privateKeyKey: 'b', caKey: '' },
  clientCa: { configMapName: 'client-ca', key: 'bundle.pem' },
  backstop: { enabled: true, configurations: false, limitPatches: true },
  serviceAccount: { annotations: { 'example.com/a': 'b' } },
  labels: { team: 'a' },
  podLabels: { pod: 'a' },
  podAnnotations: { 'example.com/c': '1' },
  // null removes the default.
  resources: { requests: { cpu: '1', memory: '64Mi' }, limits: null },
  hostNetwork: true,
  dnsPolicy: 'Default',
  strategy: { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: '50%', maxSurge: 0 } },
  extraEnv: [
    { name: 'NO_PROXY', value: 'yes' },
    { name: 'HTTPS_PROXY', valueFrom: { secretKeyRef: { name: 'proxy', key: 'url' } } },
  ],
  extraVolumes: [{ name: 'extra', emptyDir: { sizeLimit: '1Mi' } }],
  extraVolumeMounts: [{ name: 'extra', mountPath: '/extra' }],
  priorityClassName: 'system-cluster-critical',
  nodeSelector: { 'kubernetes.io/os': 'linux' },
  tolerations: [{ key: 'a', operator: 'Exists' }],
  affinity: { nodeAffinity: {} },
  topologySpread: { enabled: true, topologyKey: 'topology.kubernetes.io/zone', whenUnsatisfiable: 'DoNotSchedule' },
  terminationGracePeriodSeconds: 60,
  podDisruptionBudget: { enabled: false },
  networkPolicy: { enabled: false },
  monitoring: { enabled: true, labels: { release: 'prometheus' }, dashboard: false },
  global: { anything: 1 },
};

/** The labels that the chart and `manifests/base` have beside the label `app`, as the chart renders them. */
export const RECOMMENDED_LABELS = {
  'app.kubernetes.io/name': 'terraform-daemon',
  'app.kubernetes.io/instance': 'release',
  'app.kubernetes.io/version': packageJson.version,
  'app.kubernetes.io/component': 'admission-webhook',
  'app.kubernetes.io/part-of': 'terraform-daemon',
  'app.kubernetes.io/managed-by': 'Helm',
};
