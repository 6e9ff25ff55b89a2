import { NODE_IP, NODE_NAME, type NodeLayout, POD_RANGE } from './layout.ts';

/**
 * Returns the configuration files of a node, by name. Most are JSON, because programs that read YAML also read JSON.
 */
export function nodeConfiguration(layout: NodeLayout, pauseImage: string): Readonly<Record<string, string>> {
  const { file } = layout;
  return {
    'kubelet.yaml': json({
      apiVersion: 'kubelet.config.k8s.io/v1beta1',
      kind: 'KubeletConfiguration',
      failCgroupV1: false, // cgroup v1 is enough for the tests
      cgroupDriver: 'cgroupfs',
      containerRuntimeEndpoint: `unix://${layout.containerdSocket}`,
      failSwapOn: false,
      authentication: {
        anonymous: { enabled: false },
        webhook: { enabled: true },
        x509: { clientCAFile: layout.kubeletCa },
      },
      authorization: { mode: 'Webhook' },
      tlsCertFile: file('kubelet.crt'),
      tlsPrivateKeyFile: file('kubelet.key'),
      address: NODE_IP,
      clusterDNS: [],
      resolvConf: file('resolv.conf'),
      imageGCHighThresholdPercent: 100,
      // Even if the disk of the machine is full, the node must not evict Pods.
      evictionHard: {
        'imagefs.available': '0%',
        'imagefs.inodesFree': '0%',
        'nodefs.available': '0%',
        'nodefs.inodesFree': '0%',
      },
      oomScoreAdj: 0,
      // The interval at which the kubelet refreshes projected tokens and ConfigMaps.
      syncFrequency: '10s',
    }),
    'resolv.conf': '',
    'audit-policy.yaml': json({
      apiVersion: 'audit.k8s.io/v1',
      kind: 'Policy',
      omitStages: ['RequestReceived'],
      rules: [{ level: 'Metadata', userGroups: ['system:serviceaccounts:vela-system'] }, { level: 'None' }],
    }),
    'proxy.yaml': json({
      apiVersion: 'kubeproxy.config.k8s.io/v1alpha1',
      kind: 'KubeProxyConfiguration',
      mode: 'nftables',
      clusterCIDR: POD_RANGE,
      hostnameOverride: NODE_NAME,
      clientConnection: { kubeconfig: file('system%3Akube-proxy.kubeconfig') },
      // With 0, kube-proxy does not change the conntrack settings of the machine.
      conntrack: { maxPerCore: 0, min: 0, tcpEstablishedTimeout: '0s', tcpCloseWaitTimeout: '0s' },
    }),
    'containerd.toml': containerd(layout, pauseImage),
    'cni/10-bridge.conflist': json({
      cniVersion: '1.0.0',
      name: 'pods',
      plugins: [
        {
          type: 'bridge',
          bridge: 'cni0',
          isGateway: true,
          hairpinMode: true,
          ipMasq: false,
          ipam: { type: 'host-local', subnet: POD_RANGE, routes: [{ dst: '0.0.0.0/0' }], dataDir: file('ipam') },
        },
        { type: 'portmap', capabilities: { portMappings: true } },
      ],
    }),
  };
}

const json = (value: object): string => `${JSON.stringify(value, null, 2)}\n`;

/**
 * Returns the configuration of containerd. It sets `restrict_oom_score_adj`, because the root user of a container
 * cannot lower an OOM score.
 */
const containerd = ({ file, containerdSocket }: NodeLayout, pauseImage: string): string => `version = 2
root = ${JSON.stringify(file('containerd'))}
state = "/run/containerd"
[grpc]
  address = ${JSON.stringify(containerdSocket)}
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = ${JSON.stringify(pauseImage)}
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        SystemdCgroup = false
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = ${JSON.stringify(file('cni'))}
`;
