import { referenceOf } from '../backstop/decide.ts';
import type { JobPage, JobStore } from '../backstop/job-store.ts';
import { isExpired, kubeError, orFail, wasWritten } from '../kube/errors.ts';
import { FIELD_MANAGER } from '../kube/managed-fields.ts';
import { AnswerTooLong, type CallJson, type JsonCalls } from '../kube/requests.ts';
import { asObject, isObject, type JsonObject } from '../lib/json.ts';
import { createJobEvent } from './event-store.ts';

const JOBS = '/apis/batch/v1/jobs';
/**
 * A page of 100 ordinary Jobs is less than a megabyte. A Job may have 1.5 MB, and a page of 100 such Jobs would take 750 MB of
 * memory: a user who may create Jobs could end the daemon. So a page of more than 8 MiB is read again as a page of five.
 */
const PAGE = { jobs: 100, mostBytes: 8 * 2 ** 20, largeJobs: 5 };
/** Shorter than the 30 s after which the client gives up a quiet watch: the API server sends a bookmark 2 s before the end. */
const WATCH_S = '28';

/** All Jobs of the cluster on the API server. */
export function createJobStore({ callJson, followJson }: JsonCalls): JobStore {
  return {
    async page(next, onJob) {
      try {
        const { metadata, items } = await readPage(callJson, next);
        for (const job of Array.isArray(items) ? items : []) onJob(job);
        return toPage(asObject(metadata));
      } catch (error) {
        if (isExpired(error)) return 'expired';
        throw kubeError('list Jobs', error);
      }
    },
    watch(resourceVersion, onEvent, signal) {
      const query = { resourceVersion, allowWatchBookmarks: 'true', timeoutSeconds: WATCH_S };
      return followJson({ path: JOBS, query, what: 'Jobs', onEvent }, signal);
    },
    async read({ namespace, name, uid }) {
      // A list needs no right beyond those of the watch; a GET would.
      const path = `/apis/batch/v1/namespaces/${namespace}/jobs`;
      const query = { fieldSelector: `metadata.name=${name}` };
      const { items } = (await orFail(callJson('GET', path, { query }), `read Job ${namespace}/${name}`)) as JsonObject;
      const [job] = Array.isArray(items) ? items : [];
      return referenceOf(job)?.uid === uid ? job : undefined;
    },
    async cap({ namespace, name, uid, resourceVersion }, backoffLimit) {
      const path = `/apis/batch/v1/namespaces/${namespace}/jobs/${name}`;
      const query = { fieldManager: FIELD_MANAGER };
      const body = { metadata: { uid, resourceVersion }, spec: { backoffLimit } };
      const answer = callJson('PATCH', path, { patch: 'merge', query, body });
      if (!(await wasWritten(answer, `patch Job ${namespace}/${name}`))) return 'lost';
      const { spec } = (await answer) as JsonObject;
      return isObject(spec) && Number(spec.backoffLimit) <= backoffLimit ? 'capped' : 'undone';
    },
    writeEvent: (job, event) => createJobEvent(callJson, job, event),
  };
}

const toPage = ({ resourceVersion, continue: next }: JsonObject): JobPage => ({
  resourceVersion: String(resourceVersion ?? ''),
  next: typeof next === 'string' && next !== '' ? next : undefined,
});

async function readPage(callJson: CallJson, next: string | undefined): Promise<JsonObject> {
  const read = async (limit: number, mostBytes?: number): Promise<JsonObject> => {
    const query = { limit: String(limit), ...(next === undefined ? {} : { continue: next }) };
    const answer = await callJson('GET', JOBS, mostBytes === undefined ? { query } : { query, mostBytes });
    return asObject(answer);
  };
  try {
    return await read(PAGE.jobs, PAGE.mostBytes);
  } catch (error) {
    if (!(error instanceof AnswerTooLong)) throw error;
    return read(PAGE.largeJobs);
  }
}
