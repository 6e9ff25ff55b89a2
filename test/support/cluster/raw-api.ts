import type { IncomingMessage } from 'node:http';
import { Agent, request } from 'node:https';
import { text as readText } from 'node:stream/consumers';
import type { Json } from '../builders/a-job.ts';
import { readApiCredentials } from './api-credentials.ts';

/** A response of an API server with any status. */
export interface ApiReply {
  readonly status: number;
  readonly body: Json;
  /** The texts of the Warning headers. */
  readonly warnings: readonly string[];
}

/**
 * Calls an API server with raw JSON, because a typed client drops unknown fields and nulls. The method `APPLY` is a
 * PATCH with server-side apply. A watch is closed as soon as the API server accepts it.
 */
export interface RawApi {
  call(method: string, path: string, body?: unknown): Promise<ApiReply>;
  close(): void;
}

const TYPES: Readonly<Record<string, string>> = {
  PATCH: 'application/merge-patch+json',
  APPLY: 'application/apply-patch+yaml',
};

export async function rawApi(kubeconfig: string): Promise<RawApi> {
  const { host, port, tls, headers } = await readApiCredentials(kubeconfig);
  const agent = new Agent({ ...tls, keepAlive: true, maxSockets: 8 });
  return {
    call: (method, path, body) =>
      new Promise((resolve, reject) => {
        const text = body === undefined ? '' : JSON.stringify(body);
        const type = TYPES[method] ?? 'application/json';
        const verb = method === 'APPLY' ? 'PATCH' : method;
        // Content-Length is set, because Node.js does not set it for a DELETE.
        const length = { 'Content-Type': type, 'Content-Length': String(Buffer.byteLength(text)) };
        const call = request({ host, port, agent, method: verb, path, headers: { ...headers, ...length } });
        call.on('error', reject).on('response', (response) => {
          const status = response.statusCode ?? 0;
          if (status === 200 && /[?&]watch=/.test(path)) {
            response.destroy();
            resolve({ status, body: {}, warnings: [] });
            return;
          }
          readText(response)
            .then((answer) => resolve({ status, body: parse(answer), warnings: warningsIn(response) }))
            .catch((error) => reject(new Error(`${method} ${path}: ${status}`, { cause: error })));
        });
        call.end(text);
      }),
    close: () => agent.destroy(),
  };
}

/** A header is `299 - "the text"`. */
const warningsIn = ({ headersDistinct }: IncomingMessage): string[] =>
  (headersDistinct.warning ?? []).map((header) => header.replace(/^299 - "(.*)"$/, '$1'));

function parse(answer: string): Json {
  try {
    return JSON.parse(answer);
  } catch (error) {
    throw new Error(answer.slice(0, 200), { cause: error });
  }
}
