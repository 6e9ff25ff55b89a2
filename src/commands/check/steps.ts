import { isDeepStrictEqual } from 'node:util';
import type { V1MutatingWebhookConfiguration } from '@kubernetes/client-node';
import { parseCertificate } from '../../certs/x509.ts';
import type { Config } from '../../cli/config.ts';
import { splitCertificates } from '../../lib/pem.ts';
import { matchConditions } from '../../policy/cel.ts';
import { isSelected } from '../../policy/namespace-selector.ts';
import { type LabelSelector, MARK_ANNOTATION, type Policy, terraformPolicy } from '../../policy/policy.ts';
import { ownWebhook } from '../../registration/desired.ts';
import { liveBundle } from '../../registration/registration-step.ts';
import { driftOf, objectOf, registeredEndpoint } from '../inspect/observations.ts';
import { INSTALL_STEP, repairCommands } from '../kubectl-hints.ts';
import { DRY_RUN_MS, type DryRun, type Observations } from './observations.ts';
import { isAsWanted, isUnchanged, type ReturnedJob, wantedBy } from './sample-job.ts';

/** The result of one check. */
export interface Step {
  readonly name: string;
  /** `skipped`: the user has no permission for the read, or the check does not apply. */
  readonly result: 'passed' | 'failed' | 'skipped';
  readonly message: string;
  /** The shell command that repairs the problem or helps to find its cause. */
  readonly command?: string | undefined;
}

type Part = Omit<Step, 'name'>;

export const pass = (message: string): Part => ({ result: 'passed', message });
export const skip = (message: string): Part => ({ result: 'skipped', message });
export const fail = (message: string, command?: string): Part => ({ result: 'failed', message, command });

const NO_RIGHT = 'the current user has no permission to read it';
const UNREAD_REGISTRATION = 'it is in the MutatingWebhookConfiguration, which the current user may not read';

/** Returns the only step if the API server does not answer. */
export const unavailable = (why: string): readonly Step[] => [
  { name: 'api-server', ...fail(why, 'kubectl cluster-info') },
];

/** Returns the steps of `check`, each cause before its consequences. The dry run is the last step. */
export function stepsOf(observations: Observations): readonly Step[] {
  const { server } = observations;
  if ('why' in server) return unavailable(server.why);
  const causes: readonly Step[] = [
    { name: 'registration', ...registrationStep(observations) },
    { name: 'namespace', ...namespaceStep(observations) },
    { name: 'trust', ...trustStep(observations) },
    { name: 'endpoints', ...endpointsStep(observations) },
  ];
  return [
    { name: 'api-server', ...pass(`answers, version ${server.version}`) },
    ...causes,
    { name: 'dry-run', ...dryRunStep(observations, causes) },
  ];
}

/** Returns the commands with the names of the install that the webhook configuration calls. */
function commandsFor(live: V1MutatingWebhookConfiguration | undefined, config: Config) {
  const namespace = ownWebhook(live)?.clientConfig.service?.namespace ?? config.namespace;
  return repairCommands({ ...config, namespace });
}

function registrationStep({ config, registration, policy }: Observations): Part {
  const { name } = config.registration;
  const what = `MutatingWebhookConfiguration ${name}`;
  if (registration === 'refused') return skip(`${what}: ${NO_RIGHT}`);
  const live = objectOf(registration);
  const { restart, findPods } = commandsFor(live, config);
  if (live === undefined) return fail(`${what} does not exist: is a daemon running? ${INSTALL_STEP}`, findPods);
  const own = ownWebhook(live);
  if (own === undefined) return fail(`${what} has no webhook of the daemon`, restart);
  // The Service of another namespace is no drift: the Service is the registered one, and --namespace is where the Job
  // is sent to.
  const fields = driftOf(live, config).filter((field) => !/^clientConfig\.(service|url)$/.test(field));
  if (fields.length > 0) return fail(`these fields differ from what the daemon writes: ${fields.join(', ')}`, restart);
  const expressions = own.matchConditions?.map(({ expression }) => expression);
  if (policy && !isDeepStrictEqual(expressions, expressionsOf(policy))) {
    return fail('its match conditions are not those of --policy-file: the daemon has another policy', restart);
  }
  return pass(`${what} calls ${registeredEndpoint(live, config).calls ?? 'no endpoint'}`);
}

const expressionsOf = (policy: Policy) => matchConditions(policy).map(({ expression }) => expression);

function namespaceStep({ config, registration, namespaceLabels }: Observations): Part {
  const { namespace } = config;
  const own = ownWebhook(objectOf(registration));
  if (namespaceLabels === 'absent') {
    return fail(`namespace ${namespace} does not exist`, 'kubectl get namespaces');
  }
  if (registration === 'refused') return skip(`the selector of the webhook: ${UNREAD_REGISTRATION}`);
  if (own === undefined) return skip('there is no webhook whose selectors can be read');
  if (namespaceLabels === 'refused') return skip(`the labels of namespace ${namespace}: ${NO_RIGHT}`);
  const edit = repairCommands(config).editRegistration(config.registration.name);
  if (!isSelected((own.namespaceSelector ?? {}) as LabelSelector, namespaceLabels)) {
    return fail(`the namespaceSelector of the webhook excludes namespace ${namespace}`, edit);
  }
  if (!isSelected((own.objectSelector ?? {}) as LabelSelector, {})) {
    return fail('the objectSelector of the webhook excludes Jobs of terraform-controller', edit);
  }
  return pass(`the webhook selects Jobs in namespace ${namespace}`);
}

function trustStep({ config, registration, now }: Observations): Part {
  if (registration === 'refused') return skip(`the CA bundle: ${UNREAD_REGISTRATION}`);
  const live = objectOf(registration);
  if (ownWebhook(live) === undefined) return skip('there is no CA bundle to read');
  const { restart } = commandsFor(live, config);
  const pems = splitCertificates(liveBundle(live) ?? '');
  if (pems.length === 0) return fail('the CA bundle of the webhook (caBundle) is empty', restart);
  const ends = pems.flatMap((pem) => parseCertificate(pem)?.validToDate ?? []);
  if (ends.length < pems.length) return fail('the CA bundle has a block that is not a certificate', restart);
  const valid = ends.filter((end) => end > now);
  if (valid.length === 0) return fail('each CA of the bundle has expired', restart);
  const until = valid.map((end) => end.toISOString().slice(0, 10)).join(', ');
  return pass(`the CA bundle has ${pems.length === 1 ? '1 CA' : `${pems.length} CAs`}, valid until ${until}`);
}

function endpointsStep({ config, registration, service }: Observations): Part {
  if (registration === 'refused') return skip(`the name of the Service: ${UNREAD_REGISTRATION}`);
  const live = objectOf(registration);
  const target = ownWebhook(live)?.clientConfig.service;
  if (target === undefined || service === undefined) return skip('no Service is registered');
  const what = `Service ${target.namespace}/${target.name}`;
  const { pods } = commandsFor(live, config);
  if (service === 'refused') return skip(`${what}: ${NO_RIGHT}`);
  if (service === 'absent') return fail(`${what} does not exist`, 'kubectl apply -f manifests/install.yaml');
  const { externalName, ready } = objectOf(service) ?? { ready: 'refused' };
  if (externalName !== undefined) return pass(`${what} leads to ${externalName}`);
  if (ready === 'refused') return skip(`the EndpointSlices of ${what}: ${NO_RIGHT}`);
  if (ready === 0) return fail(`${what} has no ready endpoint: no Pod of the daemon is ready`, pods);
  return pass(`${what} has ${ready === 1 ? '1 ready endpoint' : `${ready} ready endpoints`}`);
}

function forbiddenStep({ why, isInPod }: Extract<DryRun, { outcome: 'forbidden' }>, { namespace }: Config): Part {
  // `kubectl auth can-i` would answer for the user, and not for the account of the Pod.
  return isInPod
    ? skip(`${why}. ${NOT_IN_POD}`)
    : { ...skip(why), command: `kubectl auth can-i create jobs -n ${namespace}` };
}

const NOT_IN_POD =
  'In a Pod, check has the rights of its account, and the account of the daemon must not create Jobs: run check outside of the cluster, with your own rights';

function dryRunStep(observations: Observations, causes: readonly Step[]): Part {
  const { config, dryRun, policy, registration } = observations;
  const wanted = wantedBy(policy ?? terraformPolicy, config.namespace);
  if (wanted === undefined) return skip('no rule of --policy-file matches a Job of terraform-controller');
  const { logs } = commandsFor(objectOf(registration), config);
  if (dryRun.outcome === 'forbidden') return forbiddenStep(dryRun, config);
  // Without the namespace of the Job, the API server does not call the daemon, so its log has nothing about it.
  if (dryRun.outcome === 'failed') {
    return fail(dryRun.why, observations.namespaceLabels === 'absent' ? undefined : logs);
  }
  const isExplained = causes.some(({ result }) => result === 'failed');
  if (dryRun.outcome === 'late') {
    const why = `the API server has not answered within ${DRY_RUN_MS / 1000} s, because it waits for the endpoint`;
    return fail(isExplained ? why : `${why}: ${SILENT}`, logs);
  }
  const { job } = dryRun;
  const values = `backoffLimit ${job.backoffLimit}, restartPolicy ${job.restartPolicy}`;
  const unmarked = job.isMarked
    ? ''
    : `, without the annotation ${MARK_ANNOTATION}: another policy or version capped it`;
  if (isAsWanted(job, wanted)) return pass(`a Job of terraform-controller came back capped: ${values}${unmarked}`);
  const came = `the Job came back with ${values}`;
  if (isExplained) return fail(`${came}: see the failed checks above`);
  return fail(`${came}: ${causeOf(job, observations)}`, logs);
}

const SILENT =
  'a NetworkPolicy or a firewall drops its packets, the Service has no route to the Pods, or the process hangs';

/** Returns why the Job came back uncapped although the other checks passed. */
function causeOf(job: ReturnedJob, { probe, policy }: Observations): string {
  if (job.isOptedOut) return 'another webhook has added the annotation that opts the Job out';
  if (probe?.why !== undefined) return `${probe.from} cannot use the endpoint: ${probe.why}`;
  if (policy === undefined && !isUnchanged(job)) return 'the daemon has a policy of its own: set --policy-file';
  const reached = probe === undefined ? '' : `${probe.from} reaches the endpoint, but `;
  return `${reached}the API server applied no patch: compare the CA bundle with the certificate (terraform-daemon inspect), or set --policy-file if the daemon has a policy of its own`;
}
