import type { Configuration, HttpMethod, KubeConfig, RequestContext, ResponseBody } from '@kubernetes/client-node';
import { asObject } from '../lib/json.ts';
import { timings } from '../lib/timings.ts';
import type { Credentials } from './credentials.ts';
import type { FollowWatch } from './watch.ts';

/** The kinds of patches: https://kubernetes.io/docs/reference/using-api/api-concepts/#patch-and-apply */
const contentTypes = {
  apply: 'application/apply-patch+yaml',
  merge: 'application/merge-patch+json',
  'strategic-merge': 'application/strategic-merge-patch+json',
  json: 'application/json-patch+json',
} as const;

export interface CallOptions {
  readonly query?: Readonly<Record<string, string>>;
  readonly patch?: keyof typeof contentTypes;
  readonly body?: object;
  /** Maximum size of the response in bytes. A longer response is an `AnswerTooLong` error. */
  readonly mostBytes?: number | undefined;
}

/** Calls the API server with plain JSON. The client's model classes would cost memory and drop unknown fields. */
export type CallJson = (
  method: 'GET' | 'PATCH' | 'POST' | 'DELETE',
  path: string,
  options?: CallOptions,
) => Promise<unknown>;

export class AnswerTooLong extends Error {}

export interface JsonCalls {
  readonly callJson: CallJson;
  readonly followJson: FollowWatch;
}

/** The user that calls, with a credential that can change. */
export interface Login {
  readonly config: Pick<KubeConfig, 'applySecurityAuthentication'>;
  readonly renew: Credentials['renew'];
}

/**
 * Returns the call function. Its promise rejects with an error that `kubeError` can convert.
 *
 * @param stop aborts every call that is under way.
 */
export function createCallJson({ baseServer, httpApi }: Configuration, login: Login, stop: AbortSignal): CallJson {
  async function sendOnce(request: RequestContext) {
    await login.config.applySecurityAuthentication(request);
    request.setSignal(AbortSignal.any([stop, AbortSignal.timeout(timings.call.timeoutMs)]));
    return httpApi.send(request).toPromise();
  }
  async function send(request: RequestContext) {
    const startMs = performance.now();
    // An idle connection can be closed at the moment when a request uses it. Only a read is sent again, because the API server
    // can have made a change before the connection was closed.
    const response = await sendOnce(request).catch((error) => {
      if (request.getHttpMethod() !== 'GET' || !isClosed(error)) throw error;
      return sendOnce(request);
    });
    // The API server has not acted on a request that it answers with 401.
    return response.httpStatusCode === 401 && login.renew(startMs) ? sendOnce(request) : response;
  }
  return async (method, path, { query = {}, patch, body, mostBytes } = {}) => {
    const request = baseServer.makeRequestContext(path, method as HttpMethod);
    for (const [name, value] of Object.entries(query)) request.setQueryParam(name, value);
    if (body !== undefined) {
      request.setHeaderParam('Content-Type', patch === undefined ? 'application/json' : contentTypes[patch]);
      request.setBody(JSON.stringify(body));
    }
    const { httpStatusCode: code, body: answer } = await send(request);
    if (code >= 300) throw Object.assign(new Error('refused'), { code, body: await answer.text() });
    return JSON.parse(mostBytes === undefined ? await answer.text() : await boundedText(answer, mostBytes));
  };
}

/** Codes of the errors of a connection that the other side has closed. */
const CLOSED = ['UND_ERR_SOCKET', 'ECONNRESET', 'EPIPE'];

/** Returns whether the API server, or a load balancer before it, closed the connection without a response. */
const isClosed = (error: unknown): boolean =>
  error instanceof TypeError && CLOSED.some((code) => code === asObject(error.cause).code);

async function boundedText({ stream }: ResponseBody, mostBytes: number): Promise<string> {
  const pieces: Uint8Array[] = [];
  let bytes = 0;
  for await (const piece of stream() ?? []) {
    bytes += piece.length;
    if (bytes > mostBytes) throw new AnswerTooLong(`the response has more than ${mostBytes} bytes`);
    pieces.push(piece);
  }
  return Buffer.concat(pieces).toString();
}
