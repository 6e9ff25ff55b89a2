import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import { type AddressInfo, createServer as createTcpServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { toBase64 } from '../../../src/lib/pem.ts';
import { aCertificateSet } from '../builders/a-certificate-set.ts';
import { type ApiCredentials, readApiCredentials } from '../cluster/api-credentials.ts';
import { answerWhole, relayRequest, streamAnswer } from './relay.ts';

const HOST = '127.0.0.1';
const WRITES = ['PATCH', 'POST', 'PUT', 'DELETE'];

export interface Write {
  readonly method: string;
  /** Path with query. */
  readonly path: string;
}

export interface WriteAnswer extends Write {
  readonly status: number;
}

type Fate = 'kill' | undefined;

/** Hooks for each write, numbered from 1. The write waits for the result of the hook. */
export interface FaultHooks {
  /**
   * The proxy calls this hook before it forwards a write. If the hook returns `kill`, the proxy calls `onKill` and does
   * not forward the write.
   */
  beforeWrite?(n: number, write: Write): Fate | Promise<Fate>;
  /**
   * The proxy calls this hook after the API server has executed the write. If the hook returns `kill`, the proxy calls
   * `onKill` and does not forward the response.
   */
  afterWrite?(n: number, answer: WriteAnswer): Fate | Promise<Fate>;
  /** Kills the daemon. Its connection is cut afterwards, so that the daemon cannot react to the cut. */
  onKill?(): unknown;
}

/** A proxy between one daemon and the API server that injects faults. */
export interface FaultProxy {
  /** Path of the kubeconfig for the daemon. The API server itself rejects its credentials. */
  readonly kubeconfig: string;
  /** Returns the writes so far, in order. */
  writes(): readonly Write[];
  /** Cuts all connections and refuses new ones until `restore`. */
  cut(): Promise<void>;
  /** Accepts connections again. With `isKnown: false` each request gets 401 until the next `cut`. */
  restore(options?: { readonly isKnown?: boolean }): Promise<void>;
  /** Accepts connections and never responds. Returns a function that returns the number of requests since. */
  hang(): Promise<() => number>;
  close(): Promise<void>;
}

/**
 * Starts the proxy.
 *
 * @param kubeconfig the credentials with which the proxy calls the API server.
 */
export async function startFaultProxy(kubeconfig: string, hooks: FaultHooks = {}): Promise<FaultProxy> {
  const credentials = await readApiCredentials(kubeconfig);
  const { serving, caBundle } = await aCertificateSet({
    // The time is rounded to minutes, so that proxies that start in the same minute share one cached certificate. A new
    // key takes long to generate.
    issuedAt: new Date(new Date().setSeconds(0, 0)),
    options: { names: { dns: [], ip: [HOST] } },
  });
  const token = randomBytes(24).toString('hex');
  const writes: Write[] = [];
  let isRefused = false;
  const server = createServer({ cert: serving.certificate, key: serving.privateKey }, (request, response) => {
    const isKnown = !isRefused && request.headers.authorization === `Bearer ${token}`;
    const answer = isKnown ? relay({ credentials, hooks, writes }, request, response) : refuse(response);
    // If one side closes, the other side is closed too.
    answer.catch(() => response.destroy());
  });
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  const listen = async (port: number) => {
    server.listen(port, HOST);
    await once(server, 'listening');
  };
  const cut = async () => {
    if (!server.listening) return;
    const closed = once(server, 'close');
    server.close();
    server.closeAllConnections();
    // This also closes connections that are still in the TLS handshake.
    for (const socket of sockets) socket.destroy();
    await closed;
  };
  await listen(0);
  const { port } = server.address() as AddressInfo;
  const silence = createTcpServer((socket) => {
    hanging.add(socket.on('error', () => {}));
  });
  const hanging = new Set<Socket>();
  const folder = await mkdtemp(join(tmpdir(), 'terraform-daemon-proxy-'));
  const file = join(folder, 'kubeconfig');
  await writeFile(file, kubeconfigText({ port, caBundle, token }), { mode: 0o600 });
  return {
    kubeconfig: file,
    writes: () => [...writes],
    cut,
    restore({ isKnown = true } = {}) {
      isRefused = !isKnown;
      return listen(port);
    },
    async hang() {
      await cut();
      await once(silence.listen(port, HOST), 'listening');
      return () => hanging.size;
    },
    async close() {
      await cut();
      silence.close();
      for (const socket of hanging) socket.destroy();
      await rm(folder, { recursive: true });
    },
  };
}

interface Relay {
  readonly credentials: ApiCredentials;
  readonly hooks: FaultHooks;
  readonly writes: Write[];
}

async function relay({ credentials, hooks, writes }: Relay, request: IncomingMessage, response: ServerResponse) {
  const write = { method: request.method ?? '', path: request.url ?? '' };
  // Writes of Events, the Lease and Jobs happen at any time, so they are forwarded without hooks.
  const isCounted = WRITES.includes(write.method) && !/\/(events|leases|jobs)\b/.test(write.path);
  if (!isCounted) return streamAnswer(await relayRequest(credentials, request, response), response);

  const n = writes.push(write);
  const kill = async () => {
    await hooks.onKill?.();
    response.destroy();
  };
  if ((await hooks.beforeWrite?.(n, write)) === 'kill') return kill();
  const answer = await relayRequest(credentials, request, response);
  const body = Buffer.concat(await answer.toArray());
  if ((await hooks.afterWrite?.(n, { ...write, status: answer.statusCode ?? 0 })) === 'kill') return kill();
  answerWhole(answer, body, response);
}

async function refuse(response: ServerResponse): Promise<void> {
  response.writeHead(401).end();
}

function kubeconfigText({ port, caBundle, token }: { port: number; caBundle: string; token: string }): string {
  const name = 'fault-proxy';
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [
      { name, cluster: { server: `https://${HOST}:${port}`, 'certificate-authority-data': toBase64(caBundle) } },
    ],
    users: [{ name, user: { token } }],
    contexts: [{ name, context: { cluster: name, user: name } }],
    'current-context': name,
  });
}
