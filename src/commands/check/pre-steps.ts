import type { V1NetworkPolicy, V1NetworkPolicyIngressRule, V1NetworkPolicyPort } from '@kubernetes/client-node';
import { isSelected } from '../../policy/namespace-selector.ts';
import type { LabelSelector } from '../../policy/policy.ts';
import type { ClusterObservations, MissingRight } from './pre-observations.ts';
import { fail, pass, type Step, skip, unavailable } from './steps.ts';

type Part = Omit<Step, 'name'>;

/** The oldest minor version of Kubernetes 1 whose webhooks have `matchConditions` (docs/reference/versions.md). */
const OLDEST_MINOR = 30;

/** Returns the steps of `check --pre`. */
export function preStepsOf(observations: ClusterObservations): readonly Step[] {
  const { server } = observations;
  if ('why' in server) return unavailable(server.why);
  return [
    { name: 'api-server', ...versionStep(server.version) },
    { name: 'network', ...networkStep(observations) },
    { name: 'namespace', ...namespaceStep(observations) },
    { name: 'rights', ...rightsStep(observations) },
  ];
}

function versionStep(version: string): Part {
  const [, major, minor] = /^v?(\d+)\.(\d+)/.exec(version) ?? [];
  if (major === '1' && Number(minor) < OLDEST_MINOR) {
    return fail(`version ${version}: the daemon needs Kubernetes 1.${OLDEST_MINOR} or later`);
  }
  return pass(`answers, version ${version}`);
}

function namespaceStep({ namespaces }: ClusterObservations): Part {
  const namesOf = (reading: 'absent' | 'refused') =>
    namespaces.filter(({ labels }) => labels === reading).map(({ name }) => name);
  const [absent, refused] = [namesOf('absent'), namesOf('refused')];
  if (absent.length > 0) {
    const message = absent.map((name) => `namespace ${name} does not exist`).join(', ');
    return fail(message, absent.map((name) => `kubectl create namespace ${name}`).join(' && '));
  }
  if (refused.length > 0) return skip(`namespace ${refused.join(', ')}: the current user may not read it`);
  return pass(namespaces.map(({ name }) => `namespace ${name} exists`).join(', '));
}

function rightsStep({ config: { namespace, backstopNamespaces = [] }, missing }: ClusterObservations): Part {
  const [first] = missing;
  const roles = backstopNamespaces.length > 0 ? ', and manifests/backstop-namespace in each listed namespace' : '';
  if (first === undefined) return pass(`the current user may create each object of manifests/install.yaml${roles}`);
  const names = missing.map((right) =>
    right.namespace === undefined || right.namespace === namespace
      ? nameOf(right)
      : `${nameOf(right)} in namespace ${right.namespace} (manifests/backstop-namespace)`,
  );
  const command = `kubectl auth can-i create ${nameOf(first)} -n ${first.namespace ?? namespace}`;
  return fail(`the current user may not create ${names.join(', ')}`, command);
}

const nameOf = ({ group, resource }: MissingRight): string => (group === '' ? resource : `${resource}.${group}`);

/** Checks whether the NetworkPolicies that select the Pods of the daemon admit connections to its port. */
function networkStep({ config, networkPolicies }: ClusterObservations): Part {
  const { port } = config.endpoint;
  const unseen = `firewalls between the API server and port ${port} of the Pods are not visible from here`;
  if (networkPolicies === 'refused' || networkPolicies === 'absent') {
    return skip(`NetworkPolicies: the current user may not list them; ${unseen}`);
  }
  const labels = { app: config.ownerClusterRole };
  const selecting = networkPolicies.filter(
    ({ spec }) =>
      (spec?.policyTypes ?? ['Ingress']).includes('Ingress') &&
      isSelected((spec?.podSelector ?? {}) as LabelSelector, labels),
  );
  // The NetworkPolicy of manifests/install.yaml opens the port, and policies add up.
  const names = selecting.map(({ metadata }) => metadata?.name).join(', ');
  if (selecting.length === 0) return pass(`no NetworkPolicy selects the Pods; ${unseen}`);
  if (selecting.some((policy) => opens(policy, port)))
    return pass(`NetworkPolicy ${names} opens port ${port}; ${unseen}`);
  const installed = 'the NetworkPolicy of manifests/install.yaml opens it';
  return pass(`NetworkPolicy ${names} does not open port ${port} to all addresses; ${installed}; ${unseen}`);
}

/** Returns whether a rule admits connections from every address to the port. */
const opens = ({ spec }: V1NetworkPolicy, port: number): boolean =>
  ((spec?.ingress ?? []) as readonly IngressRule[]).some(
    ({ from, ports }) => !from?.length && (!ports?.length || ports.some((one) => has(one, port))),
  );

/** The model of the client calls the field `_from`, but plain JSON has `from`. */
type IngressRule = Omit<V1NetworkPolicyIngressRule, '_from'> & { readonly from?: readonly unknown[] };

/** The Deployment names its port `https`. */
const has = ({ port: first, endPort, protocol = 'TCP' }: V1NetworkPolicyPort, port: number): boolean => {
  if (protocol !== 'TCP') return false;
  if (first === undefined || `${first}` === 'https') return true;
  return Number(first) <= port && port <= (endPort ?? Number(first));
};
