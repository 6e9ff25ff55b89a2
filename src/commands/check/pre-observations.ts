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

/** A kind of object of manifests/install.yaml, which the user of `kubectl apply` must be allowed to create. */
export interface InstalledKind {
  readonly group: string;
  readonly resource: string;
  readonly isNamespaced?: boolean;
}

const RBAC = 'rbac.authorization.k8s.io';
const ADMISSION = 'admissionregistration.k8s.io';

/** A test compares this list with manifests/install.yaml. */
export const installedKinds: readonly InstalledKind[] = [
  { group: '', resource: 'serviceaccounts', isNamespaced: true },
  { group: '', resource: 'services', isNamespaced: true },
  { group: 'apps', resource: 'deployments', isNamespaced: true },
  { group: 'networking.k8s.io', resource: 'networkpolicies', isNamespaced: true },
  { group: 'policy', resource: 'poddisruptionbudgets', isNamespaced: true },
  { group: RBAC, resource: 'roles', isNamespaced: true },
  { group: RBAC, resource: 'rolebindings', isNamespaced: true },
  { group: RBAC, resource: 'clusterroles' },
  { group: RBAC, resource: 'clusterrolebindings' },
  { group: ADMISSION, resource: 'validatingadmissionpolicies' },
  { group: ADMISSION, resource: 'validatingadmissionpolicybindings' },
];

export interface ClusterObservations {
  readonly config: Config;
  readonly server: Observations['server'];
  readonly namespaceLabels: Reading<Labels>;
  /** The kinds that the user may not create. */
  readonly missing: readonly InstalledKind[];
  readonly networkPolicies: Reading<readonly V1NetworkPolicy[]>;
}

/** Reads what the steps of `check --pre` need. */
export async function observeCluster({ config, callJson }: CheckContext): Promise<ClusterObservations> {
  const server = await readVersion(callJson);
  if ('why' in server) return { config, server, namespaceLabels: 'refused', missing: [], networkPolicies: 'refused' };
  const { namespace } = config;
  const policies = callJson('GET', `/apis/networking.k8s.io/v1/namespaces/${namespace}/networkpolicies`);
  const [namespaceLabels, missing, listed] = await Promise.all([
    readNamespaceLabels({ config, callJson }),
    missingRights(callJson, namespace),
    readable(
      orFail(policies as Promise<{ readonly items: V1NetworkPolicy[] }>, `list the NetworkPolicies of ${namespace}`),
    ),
  ]);
  return {
    config,
    server,
    namespaceLabels,
    missing,
    networkPolicies: typeof listed === 'string' ? listed : listed.items,
  };
}

async function missingRights(callJson: CallJson, namespace: string): Promise<readonly InstalledKind[]> {
  const allowed = await Promise.all(
    installedKinds.map(({ group, resource, isNamespaced }) =>
      isAllowed(callJson, { verb: 'create', group, resource, ...(isNamespaced ? { namespace } : {}) }),
    ),
  );
  return installedKinds.filter((_kind, index) => !allowed[index]);
}
