import { setTimeout as delay } from 'node:timers/promises';
import type { V1EndpointSlice, V1MutatingWebhookConfiguration, V1Namespace, V1Service } from '@kubernetes/client-node';
import type { Config } from '../../cli/config.ts';
import { kubeError, orAbsent, orFail } from '../../kube/errors.ts';
import type { CallJson } from '../../kube/requests.ts';
import { isForbidden, messageOf, OperatorError } from '../../lib/errors.ts';
import { asObject } from '../../lib/json.ts';
import type { Pem } from '../../lib/pem.ts';
import type { Labels, Policy } from '../../policy/policy.ts';
import { ownWebhook } from '../../registration/desired.ts';
import { liveBundle, type RegistrationStore } from '../../registration/registration-step.ts';
import { objectOf, registeredEndpoint } from '../inspect/observations.ts';
import { probeEndpoint, resolutionProblem } from '../inspect/probe-endpoint.ts';
import { isUnchanged, type ReturnedJob, returnedJob, sampleJob } from './sample-job.ts';

/**
 * Time for the answer to the dry run. A healthy path answers in a tenth of a second. If packets to the endpoint are
 * dropped, the API server waits for `timeoutSeconds`, which is longer than a user wants to wait.
 */
export const DRY_RUN_MS = 1_500;
const PROBE_MS = 1_000;

export interface CheckContext {
  readonly config: Config;
  readonly callJson: CallJson;
  readonly registrations: Pick<RegistrationStore, 'read'>;
  /** The policy of `--policy-file`; `undefined` without this option. */
  readonly policy: Policy | undefined;
  readonly isInPod: boolean;
}

/**
 * An object of the API server, or why there is none: it does not exist, or the user has no permission to read it
 * (`refused`).
 */
export type Reading<T> = T | 'absent' | 'refused';

/** The Service that the webhook configuration names. */
export interface ServiceState {
  readonly externalName: string | undefined;
  /** The number of ready endpoints; `refused` if the user may not list EndpointSlices. */
  readonly ready: number | 'refused';
}

/** What the API server made of the sample Job. */
export type DryRun =
  | { readonly outcome: 'returned'; readonly job: ReturnedJob }
  | { readonly outcome: 'late' }
  | { readonly outcome: 'forbidden'; readonly why: string; readonly isInPod: boolean }
  | { readonly outcome: 'failed'; readonly why: string };

/** Why a connection to the endpoint failed, or `undefined` if the endpoint answered. */
export interface Probe {
  readonly from: 'the API server' | 'this machine';
  readonly why: string | undefined;
}

export interface Observations {
  readonly config: Config;
  readonly policy: Policy | undefined;
  readonly now: Date;
  /** The version of the API server, or why it did not answer. */
  readonly server: { readonly version: string } | { readonly why: string };
  readonly registration: Reading<V1MutatingWebhookConfiguration>;
  readonly namespaceLabels: Reading<Labels>;
  /** `undefined` if the webhook configuration names no Service. */
  readonly service: Reading<ServiceState> | undefined;
  readonly dryRun: DryRun;
  /** `undefined` if the endpoint was not called. */
  readonly probe: Probe | undefined;
}

/** Reads what the steps need. Sends a dry run of a Job. Calls the endpoint only if the Job came back uncapped. */
export async function observe(context: CheckContext, now: Date): Promise<Observations> {
  const { config, callJson, policy } = context;
  const server = await readVersion(callJson);
  const unread = { registration: 'refused', namespaceLabels: 'refused', service: undefined, probe: undefined } as const;
  if ('why' in server) {
    return { config, policy, now, server, ...unread, dryRun: { outcome: 'failed', why: server.why } };
  }
  const dryRun = sendSample(context);
  const [registration, namespaceLabels] = await Promise.all([
    readable(context.registrations.read()),
    readNamespaceLabels(context),
  ]);
  const live = objectOf(registration);
  const service = await readService(live, callJson);
  const observed = { config, policy, now, server, registration, namespaceLabels, service, dryRun: await dryRun };
  const isProbed = observed.dryRun.outcome === 'returned' && isUnchanged(observed.dryRun.job);
  return {
    ...observed,
    probe: isProbed ? await probe(context, live, objectOf(service ?? 'absent')?.externalName) : undefined,
  };
}

/** Reads the version of the API server, which every user may read. */
export async function readVersion(callJson: CallJson): Promise<Observations['server']> {
  try {
    const { gitVersion } = asObject(await orFail(callJson('GET', '/version'), 'read the version of the API server'));
    return { version: String(gitVersion) };
  } catch (error) {
    if (error instanceof OperatorError) return { why: error.message };
    throw error;
  }
}

/** Resolves with `refused` if the user has no permission for the read. Rejects after any other failure. */
export async function readable<T>(read: Promise<T | undefined>): Promise<Reading<T>> {
  try {
    return (await read) ?? 'absent';
  } catch (error) {
    if (isForbidden(error)) return 'refused';
    throw error;
  }
}

/** Reads the labels of the namespace of the dry run; `absent` if the namespace does not exist. */
export function readNamespaceLabels({
  config: { namespace },
  callJson,
}: Pick<CheckContext, 'config' | 'callJson'>): Promise<Reading<Labels>> {
  const call = callJson('GET', `/api/v1/namespaces/${namespace}`) as Promise<V1Namespace>;
  return readable(
    call.then(
      ({ metadata }) => metadata?.labels ?? {},
      (error) => {
        if (error.code === 404) return undefined;
        throw kubeError(`read Namespace ${namespace}`, error);
      },
    ),
  );
}

async function readService(
  live: V1MutatingWebhookConfiguration | undefined,
  callJson: CallJson,
): Promise<Reading<ServiceState> | undefined> {
  const target = ownWebhook(live)?.clientConfig.service;
  if (target === undefined) return undefined;
  const { namespace, name } = target;
  const what = `Service ${namespace}/${name}`;
  const service = callJson('GET', `/api/v1/namespaces/${namespace}/services/${name}`) as Promise<V1Service>;
  const query = { labelSelector: `kubernetes.io/service-name=${name}` };
  const slices = callJson('GET', `/apis/discovery.k8s.io/v1/namespaces/${namespace}/endpointslices`, { query });
  const [found, listed] = await Promise.all([
    readable(orAbsent(service, `read ${what}`)),
    readable(orFail(slices as Promise<{ readonly items: V1EndpointSlice[] }>, `list the EndpointSlices of ${what}`)),
  ]);
  if (typeof found === 'string') return found;
  const ready = objectOf(listed)?.items.flatMap(({ endpoints }) =>
    (endpoints ?? []).filter(({ conditions }) => conditions?.ready !== false),
  );
  return { externalName: found.spec?.externalName, ready: ready?.length ?? 'refused' };
}

async function sendSample({ config: { namespace }, callJson, isInPod }: CheckContext): Promise<DryRun> {
  const path = `/apis/batch/v1/namespaces/${namespace}/jobs`;
  const call = callJson('POST', path, { query: { dryRun: 'All' }, body: sampleJob(namespace) });
  try {
    const answer = await within(orFail(call, `create a Job in namespace ${namespace} as a dry run`, ''), DRY_RUN_MS);
    return answer === 'late' ? { outcome: 'late' } : { outcome: 'returned', job: returnedJob(answer) };
  } catch (error) {
    if (!(error instanceof OperatorError)) throw error;
    const why = error.message;
    return error.code === 'KUBE_FORBIDDEN' ? { outcome: 'forbidden', why, isInPod } : { outcome: 'failed', why };
  }
}

/**
 * Calls the endpoint: directly if this machine can resolve its name, else through the API server's proxy for Services.
 * Only a direct call shows whether the CA bundle verifies the certificate, because the proxy does not verify it.
 */
async function probe(
  { config, callJson }: CheckContext,
  live: V1MutatingWebhookConfiguration | undefined,
  externalName: string | undefined,
): Promise<Probe | undefined> {
  const { serverName, port } = registeredEndpoint(live, config);
  const target = ownWebhook(live)?.clientConfig.service;
  if (port === undefined) return undefined;
  const host = externalName ?? serverName;
  if ((await within(resolutionProblem(host), PROBE_MS)) === undefined) {
    const result = await within(probeEndpoint({ host, port }, serverName, liveBundle(live) ?? ('' as Pem)), PROBE_MS);
    const why = result === 'late' ? 'no answer' : result.why;
    return { from: 'this machine', why: why && `${host}:${port}: ${why}` };
  }
  if (target === undefined) return undefined;
  const path = `/api/v1/namespaces/${target.namespace}/services/https:${target.name}:${port}/proxy/`;
  return proxied(callJson('GET', path));
}

/** The proxy reports a failure as a Status. Any other answer is the endpoint's own. */
async function proxied(call: Promise<unknown>): Promise<Probe | undefined> {
  const from = 'the API server';
  try {
    const answer = await within(orFail(call, 'reach the endpoint through the API server'), PROBE_MS);
    return { from, why: answer === 'late' ? 'the endpoint does not answer' : undefined };
  } catch (error) {
    if (isForbidden(error)) return undefined;
    return { from, why: isUnavailable(error) ? messageOf(error) : undefined };
  }
}

const isUnavailable = (error: unknown): boolean => error instanceof OperatorError && error.code === 'KUBE_UNAVAILABLE';

/** Resolves with `late` after the time. The call itself goes on, and its failure is ignored. */
const within = <T>(call: Promise<T>, ms: number): Promise<T | 'late'> => {
  call.catch(() => undefined);
  return Promise.race([call, delay(ms, 'late' as const, { ref: false })]);
};
