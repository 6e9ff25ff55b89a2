import type { Configuration, HttpMethod, KubeConfig, RequestContext, ResponseContext } from '@kubernetes/client-node';
import { createListSplitter } from './list-stream.ts';
import type { WatchRequest } from './watch.ts';

/** A call with JSON as it is: the client's models would cost memory, and drop fields that they do not know. */
export type CallJson = (
  method: 'GET' | 'PATCH' | 'POST' | 'DELETE',
  path: string,
  options?: {
    readonly query?: Readonly<Record<string, string>>;
    readonly contentType?: string;
    readonly body?: object;
  },
) => Promise<unknown>;

/** Tells of the items of a list while it comes, and answers the list without them. */
export type ListJson = (
  path: string,
  query: Readonly<Record<string, string>>,
  saw: (item: unknown) => void,
) => Promise<unknown>;

/** Follows one watch, as `followWatch` does. */
export type FollowJson = (request: WatchRequest, signal: AbortSignal) => Promise<'ended' | 'expired'>;

export interface JsonCalls {
  readonly callJson: CallJson;
  readonly listJson: ListJson;
  readonly followJson: FollowJson;
}

interface Connection {
  readonly configuration: Configuration;
  readonly config: KubeConfig;
  /** Ends every call that is under way. */
  readonly stop: AbortSignal;
  readonly timeoutMs: number;
}

/** Connections are shared for this long: a client certificate or a CA that has changed on disk is used from then on. */
const CONNECTIONS_MS = 60_000;

/** Calls whose answers are JSON as it came. They reject with what `kube-errors.ts` understands. */
export function createJsonCalls(connection: Connection): Pick<JsonCalls, 'callJson' | 'listJson'> {
  const send = createSend(connection);
  return {
    callJson: async (...call) => JSON.parse(await (await send(...call)).body.text()),
    async listJson(path, query, saw) {
      const { body } = await send('GET', path, { query });
      const splitter = createListSplitter(saw);
      const decoder = new TextDecoder();
      for await (const piece of body.stream() ?? []) splitter.push(decoder.decode(piece, { stream: true }));
      return splitter.end();
    },
  };
}

type Send = (...call: Parameters<CallJson>) => Promise<ResponseContext>;

function createSend({ configuration: { baseServer, httpApi }, config, stop, timeoutMs }: Connection): Send {
  const share = createSharing();
  return async (method, path, { query = {}, contentType = 'application/json', body } = {}) => {
    const request = baseServer.makeRequestContext(path, method as HttpMethod);
    for (const [name, value] of Object.entries(query)) request.setQueryParam(name, value);
    if (body !== undefined) {
      request.setHeaderParam('Content-Type', contentType);
      request.setBody(JSON.stringify(body));
    }
    // Reads the token anew.
    await config.applySecurityAuthentication(request);
    share(request);
    request.setSignal(AbortSignal.any([stop, AbortSignal.timeout(timeoutMs)]));
    const response = await httpApi.send(request).toPromise();
    if (response.httpStatusCode < 300) return response;
    throw Object.assign(new Error('refused'), { code: response.httpStatusCode, body: await response.body.text() });
  };
}

/** The client gives each request connections of its own: hundreds of handshakes would take longer than the calls. */
function createSharing(): (request: RequestContext) => void {
  let shared: { readonly dispatcher: ReturnType<RequestContext['getDispatcher']>; readonly atMs: number } | undefined;
  return (request) => {
    const nowMs = performance.now();
    if (shared === undefined || nowMs - shared.atMs > CONNECTIONS_MS) {
      shared = { dispatcher: request.getDispatcher(), atMs: nowMs };
    }
    if (shared.dispatcher) request.setDispatcher(shared.dispatcher);
  };
}
