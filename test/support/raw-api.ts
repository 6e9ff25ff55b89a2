import { Agent, request } from 'node:https';
import { json } from 'node:stream/consumers';
import type { Json } from './a-job.ts';
import { readApiCredentials } from './api-credentials.ts';

/** What an API server has answered, whatever it was. */
export interface ApiReply {
  readonly status: number;
  readonly body: Json;
}

/** Calls an API server with JSON as it is: a client of types would leave out what it does not know, and nulls. */
export interface RawApi {
  call(method: string, path: string, body?: unknown): Promise<ApiReply>;
  close(): void;
}

export async function rawApi(kubeconfig: string): Promise<RawApi> {
  const { host, port, tls, headers } = await readApiCredentials(kubeconfig);
  const agent = new Agent({ ...tls, keepAlive: true, maxSockets: 8 });
  return {
    call: (method, path, body) =>
      new Promise((resolve, reject) => {
        const type = method === 'PATCH' ? 'application/merge-patch+json' : 'application/json';
        const call = request({ host, port, agent, method, path, headers: { ...headers, 'Content-Type': type } });
        call.on('error', reject).on('response', (response) => {
          json(response).then((answer) => resolve({ status: response.statusCode ?? 0, body: answer }), reject);
        });
        call.end(body === undefined ? undefined : JSON.stringify(body));
      }),
    close: () => agent.destroy(),
  };
}
