import type { V1Job } from '@kubernetes/client-node';
import { type JobReference, referenceOf } from '../backstop/decide.ts';
import type { JobList, JobStore } from '../backstop/job-store.ts';
import { isExpired, isTimeout, kubeError, orFail, wasWritten } from '../kube/errors.ts';
import { FIELD_MANAGER } from '../kube/managed-fields.ts';
import { AnswerTooLong, type CallJson, type JsonCalls } from '../kube/requests.ts';
import { asObject, objectsIn } from '../lib/json.ts';
import { MARK_ANNOTATION } from '../policy/policy.ts';
import { createEvent } from './event-store.ts';

const JOBS = '/apis/batch/v1/jobs';
/**
 * Limits of one page of a list. A page of 100 ordinary Jobs has less than 1 MB. A Job can have 1.5 MB, and a page of
 * 100 such Jobs would take 750 MB of memory. So a page that exceeds 8 MiB or times out is read again as a page of five
 * Jobs.
 */
const PAGE = { jobs: 100, mostBytes: 8 * 2 ** 20, largeJobs: 5 };
/** Not the Jobs of which a Pod has succeeded. `status.successful` is the name of `status.succeeded` in a field selector. */
const UNSUCCESSFUL = { fieldSelector: 'status.successful=0' };
/**
 * Pods of one page of a list. A Job of terraform-controller has one Pod at a time, and several workers read such pages
 * at once: a Pod can have 1.5 MB as well.
 */
const PODS_PER_PAGE = 2;
/** Pods with the label of a Job that are read. The Job of one team must not delay the caps of the others. */
const MOST_PODS = 20;
/** The response to a list request. The items are `unknown` because users write the objects. */
export interface List {
  readonly metadata: { readonly resourceVersion: string; readonly continue?: string };
  readonly items?: readonly unknown[] | null;
}

/** Returns the store that reads and patches the Jobs of these namespaces, or of all namespaces, on the API server. */
export function createJobStore({ callJson, followJson }: JsonCalls, namespaces?: readonly string[]): JobStore {
  const stepIn = (namespace: string | undefined): string =>
    namespace === undefined || namespaces === undefined
      ? ' (the user needs the rights in manifests/base/rbac-backstop.yaml)'
      : ` (the user needs the Role and the RoleBinding of manifests/backstop-namespace in namespace ${namespace}, which must exist)`;
  const inTurn = oneAtATime();
  const listOf = (namespace?: string): JobList => {
    const path = namespace === undefined ? JOBS : `/apis/batch/v1/namespaces/${namespace}/jobs`;
    const what = namespace === undefined ? 'Jobs' : `Jobs of namespace ${namespace}`;
    const forbiddenStep = stepIn(namespace);
    let query: PageRequest['query'] = UNSUCCESSFUL;
    const readJobs = async (next: string | undefined): Promise<List> => {
      try {
        return await readPage(callJson, { path, next, query });
      } catch (error) {
        if (query === undefined || !isTimeout(error)) throw error;
        // An API server before 1.34 reads Jobs from etcd until a page with a selector is full. Among very many complete
        // Jobs that takes too long, and without a list there is no watch.
        query = undefined;
        return readPage(callJson, { path, next });
      }
    };
    return {
      namespace,
      async page(next, onJob) {
        try {
          const { metadata, items } = await inTurn(() => readJobs(next));
          for (const job of items ?? []) onJob(job);
          return { resourceVersion: metadata.resourceVersion, next: metadata.continue || undefined };
        } catch (error) {
          if (isExpired(error)) return 'expired';
          throw kubeError(`list ${what}`, error, forbiddenStep);
        }
      },
      watch(resourceVersion, onEvent, signal) {
        return followJson({ path, query: { resourceVersion }, what, forbiddenStep, onEvent }, signal);
      },
    };
  };
  return {
    lists: namespaces?.map((namespace) => listOf(namespace)) ?? [listOf()],
    async read({ namespace, name, uid }) {
      // A list with a field selector needs only the RBAC verb `list`, which the daemon already has; a GET would need
      // the verb `get`.
      const path = `/apis/batch/v1/namespaces/${namespace}/jobs`;
      const query = { fieldSelector: `metadata.name=${name}` };
      const read = callJson('GET', path, { query });
      const list = (await orFail(read, `read Job ${namespace}/${name}`, stepIn(namespace))) as List;
      return list.items?.find((job) => referenceOf(job)?.uid === uid);
    },
    pods: async (job, which, onPod) =>
      !job.manualSelector && readPods(callJson, { ...job, which, forbiddenStep: stepIn(job.namespace) }, onPod),
    async cap({ job, to, mark }) {
      const { namespace, name, uid, resourceVersion } = job;
      const path = `/apis/batch/v1/namespaces/${namespace}/jobs/${name}`;
      const query = { fieldManager: FIELD_MANAGER };
      const annotations = mark === undefined ? {} : { annotations: { [MARK_ANNOTATION]: mark } };
      const body = { metadata: { uid, resourceVersion, ...annotations }, spec: { backoffLimit: to } };
      const answer = callJson('PATCH', path, { patch: 'merge', query, body });
      if (!(await wasWritten(answer, `patch Job ${namespace}/${name}`, stepIn(namespace)))) return 'lost';
      const { spec } = (await answer) as V1Job;
      return Number(spec?.backoffLimit) <= to ? 'capped' : 'undone';
    },
    writeEvent: (job, event) => createEvent(callJson, { apiVersion: 'batch/v1', kind: 'Job', ...job }, event),
  };
}

interface PodsOf extends JobReference {
  readonly which: 'all' | 'unfinished';
  /** See `kubeError`. */
  readonly forbiddenStep: string;
}

/** Reads the Pods with the label of a Job until there are too many. Resolves with whether all were read. */
async function readPods(
  callJson: CallJson,
  { namespace, name, uid, which, forbiddenStep }: PodsOf,
  onPod: (pod: unknown) => void,
): Promise<boolean> {
  const path = `/api/v1/namespaces/${namespace}/pods`;
  const query = {
    labelSelector: `batch.kubernetes.io/controller-uid=${uid}`,
    ...(which === 'unfinished' ? { fieldSelector: 'status.phase!=Failed,status.phase!=Succeeded' } : {}),
    limit: String(PODS_PER_PAGE),
  };
  let next: string | undefined;
  for (let read = 0; read < MOST_PODS; read += PODS_PER_PAGE) {
    const page = callJson('GET', path, { query: next ? { ...query, continue: next } : query });
    const { metadata, items } = (await orFail(page, `list Pods of Job ${namespace}/${name}`, forbiddenStep)) as List;
    for (const pod of (items ?? []).filter((one) => isOwnedBy(one, uid))) onPod(pod);
    next = metadata.continue;
    if (!next) return true;
  }
  return false;
}

/** Returns whether the object has this owner. Any Pod can have the label of a Job. */
const isOwnedBy = (object: unknown, uid: string): boolean =>
  objectsIn(asObject(asObject(object).metadata).ownerReferences).some((owner) => owner.uid === uid);

/** Returns a function that makes calls one after another, so that many lists need no more memory than one list. */
function oneAtATime() {
  let last: Promise<unknown> = Promise.resolve();
  return <T>(call: () => Promise<T>): Promise<T> => {
    const result = last.then(call);
    last = result.catch(() => {});
    return result;
  };
}

interface PageRequest {
  readonly path: string;
  readonly next: string | undefined;
  readonly query?: Readonly<Record<string, string>> | undefined;
}

/** Reads one page of the objects at `path`. */
export async function readPage(callJson: CallJson, { path, next, query }: PageRequest): Promise<List> {
  const read = async (jobs: number, mostBytes?: number) => {
    const page = { ...query, limit: String(jobs), ...(next === undefined ? {} : { continue: next }) };
    return (await callJson('GET', path, { query: page, mostBytes })) as List;
  };
  try {
    return await read(PAGE.jobs, PAGE.mostBytes);
  } catch (error) {
    if (!(error instanceof AnswerTooLong || isTimeout(error))) throw error;
    return read(PAGE.largeJobs);
  }
}
