import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { Agent, request } from 'node:http';
import { dirname, join } from 'node:path';
import { json } from 'node:stream/consumers';
import type { Json } from '../builders/a-job.ts';
import { recordedJob } from '../builders/recorded-jobs.ts';
import { type RawApi, rawApi } from './raw-api.ts';

export interface FinishedJobs {
  readonly namespace: string;
  readonly count: number;
  /** Prefix of the Job names. */
  readonly prefix: string;
  readonly ended: 'Complete' | 'Failed';
}

/** Jobs that one transaction of etcd stores. Its default limit is 128. */
const JOBS_PER_WRITE = 100;
const WRITES = 4;
const DAY_MS = 24 * 60 * 60_000;

/**
 * Stores capped Jobs that ended a day ago. The API server stores the first one. etcd then gets copies of it with other
 * names and uids, because the API server needs a minute for 20,000 Jobs, and etcd four seconds.
 *
 * @param kubeconfig the kubeconfig of the admin. The socket of etcd is in the same folder.
 */
export async function storeFinishedJobs(kubeconfig: string, jobs: FinishedJobs): Promise<void> {
  const { namespace, count, prefix } = jobs;
  const nameOf = (nth: number) => `${prefix}-${String(nth).padStart(7, '0')}-apply`;
  const keyOf = (nth: number) => Buffer.from(`/registry/jobs/${namespace}/${nameOf(nth)}`).toString('base64');
  const api = await rawApi(kubeconfig);
  const etcd = callsOf(join(dirname(kubeconfig), 'etcd.sock'));
  try {
    const uid = await storeFirst(api, jobs, nameOf(0));
    const { kvs } = await etcd.call('range', { key: keyOf(0) });
    const first = Buffer.from(kvs[0].value, 'base64').toString('latin1');
    const copy = (nth: number) =>
      Buffer.from(first.replaceAll(uid, randomUUID()).replaceAll(nameOf(0), nameOf(nth)), 'latin1');
    const numbers = Array.from({ length: count - 1 }, (_, index) => index + 1).values();
    const write = async () => {
      for (;;) {
        const some = numbers.take(JOBS_PER_WRITE).toArray();
        if (some.length === 0) return;
        const success = some.map((nth) => ({ request_put: { key: keyOf(nth), value: copy(nth).toString('base64') } }));
        await etcd.call('txn', { success });
      }
    };
    await Promise.all(Array.from({ length: WRITES }, write));
  } finally {
    api.close();
    etcd.close();
  }
}

/** Removes the Jobs of `storeFinishedJobs` from etcd. */
export async function removeFinishedJobs(kubeconfig: string, { namespace, prefix }: FinishedJobs): Promise<void> {
  const etcd = callsOf(join(dirname(kubeconfig), 'etcd.sock'));
  const key = (end: string) => Buffer.from(`/registry/jobs/${namespace}/${prefix}${end}`).toString('base64');
  // The character after "-" is ".", so this range has each key that begins with the prefix and "-".
  await etcd.call('deleterange', { key: key('-'), range_end: key('.') });
  etcd.close();
}

/** Stores one finished Job on the API server. Returns its uid. */
async function storeFirst(api: RawApi, { namespace, ended }: FinishedJobs, name: string): Promise<string> {
  const path = `/apis/batch/v1/namespaces/${namespace}/jobs`;
  const { metadata, spec, ...job } = await recordedJob('create-terraform-apply', namespace);
  await api.call('POST', path, { ...job, metadata: { ...metadata, name }, spec: { ...spec, backoffLimit: 0 } });
  const at = new Date(Date.now() - DAY_MS).toISOString();
  const result = ended === 'Complete' ? { succeeded: 1, completionTime: at } : { failed: 1 };
  const reason = ended === 'Complete' ? 'CompletionsReached' : 'BackoffLimitExceeded';
  const status = { startTime: at, ready: 0, terminating: 0, uncountedTerminatedPods: {}, ...result };
  // Kubernetes 1.30 refuses the first condition, and later versions require it.
  const types = [ended === 'Complete' ? 'SuccessCriteriaMet' : 'FailureTarget', ended];
  for (const some of [types, [ended]]) {
    const conditions = some.map((type) => ({ type, status: 'True', reason, lastTransitionTime: at }));
    const reply = await api.call('PATCH', `${path}/${name}/status`, { status: { ...status, conditions } });
    if (reply.status === 200) return reply.body.metadata.uid;
    assert.equal(reply.status, 422, JSON.stringify(reply.body));
  }
  return assert.fail(`the API server refuses a Job that is ${ended}`);
}

/** Returns calls of the JSON API of etcd: https://etcd.io/docs/latest/dev-guide/api_grpc_gateway/ */
function callsOf(socketPath: string) {
  const agent = new Agent({ keepAlive: true, maxSockets: WRITES });
  return {
    async call(method: 'range' | 'txn' | 'deleterange', body: object): Promise<Json> {
      const { promise, resolve, reject } = Promise.withResolvers<Json>();
      const call = request({ socketPath, agent, method: 'POST', path: `/v3/kv/${method}` }, (response) => {
        json(response).then(
          (answer) => (response.statusCode === 200 ? resolve(answer as Json) : reject(answer)),
          reject,
        );
      });
      call.on('error', reject).end(JSON.stringify(body));
      return promise;
    },
    close: () => agent.destroy(),
  };
}
