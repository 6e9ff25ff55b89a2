import type { V1NetworkPolicy } from '@kubernetes/client-node';
import type { Config } from '../../cli/config.ts';
import { orFail } from '../../kube/errors.ts';
import type { CallJson } from '../../kube/requests.ts';
import type { Labels } from '../../policy/policy.ts';
import { isAllowed } from '../rights.ts';
import {
  type CheckContext,
  type Observations,
  type Reading,
  readable,
  readNamespaceLabels,
  readVersion,
} from './observations.ts';

/** A kind of object that the user of `kubectl apply` must be allowed to create. */
export interface InstalledKind {
  readonly group: string;
  readonly resource: string;
  readonly isNamespaced?: boolean;
}

/** A kind that the user may not create. `namespace` is absent for a cluster-scoped kind. */
export interface MissingRight extends InstalledKind {
  readonly namespace?: string;
}

const RBAC = 'rbac.authorization.k8s.io';
const ADMISSION = 'admissionregistration.k8s.io';

/** The kinds in manifests/backstop-namespace. A test compares the two. */
export const rolesOfNamespace: readonly InstalledKind[] = [
  { group: RBAC, resource: 'roles', isNamespaced: true },
  { group: RBAC, resource: 'rolebindings', isNamespaced: true },
];

/** The kinds in manifests/install.yaml. A test compares the two. */
export const installedKinds: readonly InstalledKind[] = [
  { group: '', resource: 'serviceaccounts', isNamespaced: true },
  { group: '', resource: 'services', isNamespaced: true },
  { group: 'apps', resource: 'deployments', isNamespaced: true },
  { group: 'networking.k8s.io', resource: 'networkpolicies', isNamespaced: true },
  { group: 'policy', resource: 'poddisruptionbudgets', isNamespaced: true },
  ...rolesOfNamespace,
  { group: RBAC, resource: 'clusterroles' },
  { group: RBAC, resource: 'clusterrolebindings' },
  { group: ADMISSION, resource: 'validatingadmissionpolicies' },
  { group: ADMISSION, resource: 'validatingadmissionpolicybindings' },
];

export interface NamespaceState {
  readonly name: string;
  readonly labels: Reading<Labels>;
}

export interface ClusterObservations {
  readonly config: Config;
  readonly server: Observations['server'];
  /** The namespace of the daemon and the namespaces of `--backstop-namespaces`. */
  readonly namespaces: readonly NamespaceState[];
  readonly missing: readonly MissingRight[];
  readonly networkPolicies: Reading<readonly V1NetworkPolicy[]>;
}

/** Reads what the steps of `check --pre` need. */
export async function observeCluster({ config, callJson }: CheckContext): Promise<ClusterObservations> {
  const server = await readVersion(callJson);
  if ('why' in server) return { config, server, namespaces: [], missing: [], networkPolicies: 'refused' };
  const { namespace, backstopNamespaces = [] } = config;
  const policies = callJson('GET', `/apis/networking.k8s.io/v1/namespaces/${namespace}/networkpolicies`);
  const [namespaces, missing, listed] = await Promise.all([
    Promise.all(
      [...new Set([namespace, ...backstopNamespaces])].map(async (name) => ({
        name,
        labels: await readNamespaceLabels({ config: { ...config, namespace: name }, callJson }),
      })),
    ),
    missingRights(callJson, config),
    readable(
      orFail(policies as Promise<{ readonly items: V1NetworkPolicy[] }>, `list the NetworkPolicies of ${namespace}`),
    ),
  ]);
  return {
    config,
    server,
    namespaces,
    missing,
    networkPolicies: typeof listed === 'string' ? listed : listed.items,
  };
}

async function missingRights(
  callJson: CallJson,
  { namespace, backstopNamespaces = [] }: Config,
): Promise<readonly MissingRight[]> {
  const wanted: readonly MissingRight[] = [
    ...installedKinds.map((kind) => (kind.isNamespaced ? { ...kind, namespace } : kind)),
    ...backstopNamespaces
      .filter((name) => name !== namespace)
      .flatMap((name) => rolesOfNamespace.map((kind) => ({ ...kind, namespace: name }))),
  ];
  const allowed = await Promise.all(
    wanted.map(({ isNamespaced: _is, ...attributes }) => isAllowed(callJson, { verb: 'create', ...attributes })),
  );
  return wanted.filter((_kind, index) => !allowed[index]);
}
