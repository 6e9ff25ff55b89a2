import assert from 'node:assert/strict';
import { once } from 'node:events';
import { Agent, request } from 'node:https';
import type { V1Job } from '@kubernetes/client-node';
import { recordedJob } from '../builders/recorded-jobs.ts';
import { type ApiCredentials, readApiCredentials } from './api-credentials.ts';

/** Number of concurrent calls. More do not make one API server faster. */
const CALLS = 16;

export interface ManyJobs {
  readonly namespace: string;
  readonly count: number;
  /** Prefix of the Job names. */
  readonly prefix?: string;
  /** Changes each Job, to create Jobs that are not from terraform-controller. */
  readonly change?: (job: V1Job) => V1Job;
}

/**
 * Creates Jobs of terraform-controller as fast as possible. The function sends the HTTP requests itself, because
 * client-node needs about as much time for each Job as etcd.
 */
export async function createManyJobs(kubeconfig: string, options: ManyJobs): Promise<void> {
  const { namespace, count, prefix = 'missed', change = (job) => job } = options;
  const credentials = await readApiCredentials(kubeconfig);
  const agent = new Agent({ ...credentials.tls, keepAlive: true, maxSockets: CALLS });
  const job = change(await recordedJob('create-terraform-apply', namespace));
  const text = JSON.stringify({ ...job, metadata: { ...job.metadata, name: '@name' } });
  const numbers = Array.from({ length: count }, (_, nth) => nth).values();
  const worker = async () => {
    for (const nth of numbers)
      await post({ credentials, agent, namespace, text: text.replace('@name', `${prefix}-${nth}`) });
  };
  try {
    await Promise.all(Array.from({ length: CALLS }, worker));
  } finally {
    agent.destroy();
  }
}

interface Post {
  readonly credentials: ApiCredentials;
  readonly agent: Agent;
  readonly namespace: string;
  readonly text: string;
}

async function post({ credentials, agent, namespace, text }: Post): Promise<void> {
  const call = request({
    host: credentials.host,
    port: credentials.port,
    agent,
    method: 'POST',
    path: `/apis/batch/v1/namespaces/${namespace}/jobs`,
    headers: { ...credentials.headers, 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(text) },
  });
  call.end(text);
  const [response] = await once(call, 'response');
  const answer = Buffer.concat(await response.toArray()).toString();
  assert.equal(response.statusCode, 201, answer.slice(0, 300));
}
