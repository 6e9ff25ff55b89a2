import { API_PORT, NODE_IP, NODE_NAME, type NodeLayout, SERVICE_RANGE } from './layout.ts';

export interface NodeBinaries {
  readonly etcd: string;
  readonly 'kube-apiserver': string;
  readonly 'kube-controller-manager': string;
  readonly 'kube-proxy': string;
  readonly 'kube-scheduler': string;
  readonly kubelet: string;
}

/** The users of the node components. Each kubeconfig has the name of its user. */
export const componentUsers = [
  { name: `system:node:${NODE_NAME}`, groups: ['system:nodes'] },
  { name: 'system:kube-controller-manager' },
  { name: 'system:kube-scheduler' },
  { name: 'system:kube-proxy' },
] as const;

/**
 * Returns the shell script that sets up the network of the node and starts its components. It runs as PID 1 of new
 * namespaces, so that its end also removes all processes, routes, rules and mounts of the node.
 */
export function nodeScript(layout: NodeLayout, binaries: NodeBinaries, apiServerExtra: readonly string[]): string {
  const commands = componentCommands(layout, binaries, apiServerExtra);
  const line = (how: 'start' | 'keep', name: keyof typeof commands) =>
    `${how} ${name} ${commands[name].map(quoted).join(' ')}`;
  const start = (...names: readonly (keyof typeof commands)[]) => names.map((name) => line('start', name)).join('\n');
  return `set -eu
cd ${quoted(layout.folder)}
mount -t tmpfs tmpfs /run && mkdir -p /run/netns
mount -t tmpfs tmpfs /var/lib && mkdir -p /var/lib/kubelet
mount -t tmpfs tmpfs /var/log && mkdir -p /var/log/pods /var/log/containers
ip link set lo up
# Both ends in here: an interface with an address, and the default route that Services need.
ip link add node0 type veth peer name node0p
ip link set node0p up
ip link set node0 up
ip addr add ${NODE_IP}/24 dev node0
ip route add default dev node0
sysctl -qw net.ipv4.ip_forward=1
sysctl -qw net.bridge.bridge-nf-call-iptables=1 2>/dev/null || true
start() {
  name=$1; shift
  ("$@" >"$name.log" 2>&1; echo "$name ended with $?" >>ended.log) &
}
# As systemd does.
keep() {
  name=$1; shift
  (while :; do "$@" >>"$name.log" 2>&1; sleep 0.1; done) &
}
${start('containerd', 'etcd', 'kube-apiserver')}
# Those that come next end where these do not answer yet.
until [ -S ${quoted(layout.containerdSocket)} ]; do sleep 0.1; done
until curl -sf -o /dev/null --cacert ${quoted(layout.caFile)} https://${NODE_IP}:${API_PORT}/readyz; do sleep 0.2; done
${start('kube-controller-manager', 'kube-scheduler', 'kube-proxy', 'door')}
${line('keep', 'kubelet')}
wait
`;
}

const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;

function componentCommands(layout: NodeLayout, binaries: NodeBinaries, apiServerExtra: readonly string[]) {
  const { file } = layout;
  const kubeconfig = (user: string) => `--kubeconfig=${file(`${encodeURIComponent(user)}.kubeconfig`)}`;
  return {
    containerd: ['containerd', '-c', file('containerd.toml')],
    etcd: [
      binaries.etcd,
      `--data-dir=${file('etcd')}`,
      '--unsafe-no-fsync',
      '--listen-client-urls=http://127.0.0.1:2379',
      '--advertise-client-urls=http://127.0.0.1:2379',
    ],
    'kube-apiserver': [
      binaries['kube-apiserver'],
      '--etcd-servers=http://127.0.0.1:2379',
      '--bind-address=0.0.0.0',
      `--advertise-address=${NODE_IP}`,
      `--secure-port=${API_PORT}`,
      `--cert-dir=${layout.apiServerCertFolder}`,
      `--token-auth-file=${layout.tokenFile}`,
      '--authorization-mode=Node,RBAC',
      '--enable-admission-plugins=NodeRestriction',
      '--service-account-issuer=https://kubernetes.default.svc',
      `--service-account-key-file=${layout.serviceAccountKeyFile}`,
      `--service-account-signing-key-file=${layout.serviceAccountKeyFile}`,
      `--service-cluster-ip-range=${SERVICE_RANGE}`,
      '--allow-privileged=true',
      `--kubelet-certificate-authority=${layout.kubeletCa}`,
      `--kubelet-client-certificate=${file('kubelet-client.crt')}`,
      `--kubelet-client-key=${file('kubelet-client.key')}`,
      '--kubelet-preferred-address-types=InternalIP',
      `--audit-policy-file=${file('audit-policy.yaml')}`,
      `--audit-log-path=${layout.auditLog}`,
      ...apiServerExtra,
    ],
    'kube-controller-manager': [
      binaries['kube-controller-manager'],
      kubeconfig('system:kube-controller-manager'),
      `--root-ca-file=${layout.caFile}`,
      `--service-account-private-key-file=${layout.serviceAccountKeyFile}`,
      '--use-service-account-credentials=true',
      '--leader-elect=false',
      '--bind-address=127.0.0.1',
    ],
    'kube-scheduler': [
      binaries['kube-scheduler'],
      kubeconfig('system:kube-scheduler'),
      '--leader-elect=false',
      '--bind-address=127.0.0.1',
    ],
    kubelet: [
      binaries.kubelet,
      `--config=${file('kubelet.yaml')}`,
      kubeconfig(`system:node:${NODE_NAME}`),
      `--root-dir=${file('kubelet')}`,
      `--hostname-override=${NODE_NAME}`,
      `--node-ip=${NODE_IP}`,
    ],
    'kube-proxy': [binaries['kube-proxy'], `--config=${file('proxy.yaml')}`],
    door: ['socat', `UNIX-LISTEN:${layout.apiSocket},fork`, `TCP:127.0.0.1:${API_PORT}`],
  } satisfies Readonly<Record<string, readonly string[]>>;
}
