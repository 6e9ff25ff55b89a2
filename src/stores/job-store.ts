import { referenceOf } from '../backstop/decide.ts';
import type { JobPage, JobStore } from '../backstop/job-store.ts';
import { isExpired, isTimeout, kubeError, orFail, wasWritten } from '../kube/errors.ts';
import { FIELD_MANAGER } from '../kube/managed-fields.ts';
import type { JsonCalls } from '../kube/requests.ts';
import { isObject, type JsonObject } from '../lib/json.ts';

const JOBS = '/apis/batch/v1/jobs';
/**
 * Small enough that a page costs a few megabytes, large enough that ten thousand Jobs are twenty calls. Jobs may have a megabyte and
 * more, and a page that takes too long means to begin with the first one again: then it is made smaller.
 */
const PAGE = { most: 500, least: 10 };
/** Shorter than the client's patience with a quiet watch: the API server sends a bookmark 2 s before it ends one. */
const WATCH_S = '28';
const MERGE_PATCH = 'application/merge-patch+json';

export function createJobStore({ callJson: call, listJson, followJson: follow }: JsonCalls): JobStore {
  let limit = PAGE.most;
  return {
    async page(next, onJob) {
      const query = { limit: String(limit), ...(next ? { continue: next } : {}) };
      try {
        const page = readPage(await listJson(JOBS, query, onJob));
        // Not in the middle of a list: it would only have to begin again.
        if (page.next === undefined) limit = Math.min(limit * 2, PAGE.most);
        return page;
      } catch (error) {
        if (isExpired(error)) return 'expired';
        if (isTimeout(error)) limit = Math.max(Math.floor(limit / 2), PAGE.least);
        throw kubeError('list Jobs', error);
      }
    },
    watch(resourceVersion, onEvent, signal) {
      const query = { resourceVersion, allowWatchBookmarks: 'true', timeoutSeconds: WATCH_S };
      return follow({ path: JOBS, query, what: 'Jobs', onEvent }, signal);
    },
    async read({ namespace, name, uid }) {
      // A list needs no right beyond those of the watch; a GET would.
      const path = `/apis/batch/v1/namespaces/${namespace}/jobs`;
      const query = { fieldSelector: `metadata.name=${name}` };
      const { items } = (await orFail(call('GET', path, { query }), `read Job ${namespace}/${name}`)) as JsonObject;
      const [job] = Array.isArray(items) ? items : [];
      return referenceOf(job)?.uid === uid ? job : undefined;
    },
    async cap({ namespace, name, uid, resourceVersion }, backoffLimit) {
      const path = `/apis/batch/v1/namespaces/${namespace}/jobs/${name}`;
      const body = { metadata: { uid, resourceVersion }, spec: { backoffLimit } };
      let stored: unknown;
      const query = { fieldManager: FIELD_MANAGER };
      const patch = call('PATCH', path, { query, contentType: MERGE_PATCH, body }).then((answer) => (stored = answer));
      if (!(await wasWritten(patch, `patch Job ${namespace}/${name}`))) return 'lost';
      const spec = isObject(stored) && isObject(stored.spec) ? stored.spec : {};
      return Number(spec.backoffLimit) <= backoffLimit ? 'capped' : 'undone';
    },
    writeEvent({ namespace, name, uid }, { name: event, note, ...notice }) {
      const now = new Date();
      const body = {
        apiVersion: 'v1',
        kind: 'Event',
        metadata: { namespace, name: event },
        involvedObject: { apiVersion: 'batch/v1', kind: 'Job', namespace, name, uid },
        ...{ ...notice, message: note, firstTimestamp: now, lastTimestamp: now, count: 1 },
        source: { component: FIELD_MANAGER },
      };
      const written = call('POST', `/api/v1/namespaces/${namespace}/events`, { body });
      return wasWritten(written, `create Event ${namespace}/${event}`);
    },
  };
}

function readPage(answer: unknown): JobPage {
  const { metadata } = isObject(answer) ? answer : {};
  const { resourceVersion, continue: next } = isObject(metadata) ? metadata : {};
  return {
    resourceVersion: String(resourceVersion ?? ''),
    next: typeof next === 'string' && next !== '' ? next : undefined,
  };
}
