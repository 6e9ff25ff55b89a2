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
  /** With the query. */
  readonly path: string;
}

export interface WriteAnswer extends Write {
  readonly status: number;
}

type Fate = 'kill' | undefined;

/** Asked about each write; `n` counts from 1. The write waits for the answer. */
export interface FaultHooks {
  /** On `kill` the write never reaches the API server. */
  beforeWrite?(n: number, write: Write): Fate | Promise<Fate>;
  /** On `kill` the write was carried out, and its answer never reaches the daemon. */
  afterWrite?(n: number, answer: WriteAnswer): Fate | Promise<Fate>;
  /** Kills the daemon. Its connection is cut when this is done: what it does with SIGKILL it never sees that. */
  onKill?(): unknown;
}

/** Stands between one daemon and the API server, and breaks what it is told to break. */
export interface FaultProxy {
  /** Path of the kubeconfig to start the daemon with. It is worth nothing at the API server itself. */
  readonly kubeconfig: string;
  /** The writes that came so far, in order. */
  writes(): readonly Write[];
  /** The network is gone: every connection is cut and new ones are refused, until `restore`. */
  cut(): Promise<void>;
  /** `isKnown: false`: the API server is there again, and refuses the daemon's token (401) until the next `cut`. */
  restore(options?: { readonly isKnown?: boolean }): Promise<void>;
  /** The network takes connections again, and nothing that is sent to it is ever answered. Answers how many came since. */
  hang(): Promise<() => number>;
  close(): Promise<void>;
}

/** @param kubeconfig whose user the proxy calls the API server as. */
export async function startFaultProxy(kubeconfig: string, hooks: FaultHooks = {}): Promise<FaultProxy> {
  const credentials = await readApiCredentials(kubeconfig);
  const { serving, caBundle } = await aCertificateSet({
    issuedAt: new Date(new Date().setSeconds(0, 0)), // the same for all proxies of a minute: keys take their time
    options: { names: { dns: [], ip: [HOST] } },
  });
  const token = randomBytes(24).toString('hex');
  const writes: Write[] = [];
  let isRefused = false;
  const server = createServer({ cert: serving.certificate, key: serving.privateKey }, (request, response) => {
    const isKnown = !isRefused && request.headers.authorization === `Bearer ${token}`;
    const answer = isKnown ? relay({ credentials, hooks, writes }, request, response) : refuse(response);
    // Either side may have gone away. What is left of the other one goes too.
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
    // And those that are still in their handshake.
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
  // Events, the Lease and Jobs are written at any time: they are passed on, and do not count.
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
