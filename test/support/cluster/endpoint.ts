import { once } from 'node:events';
import { type Agent, request } from 'node:https';
import type { TestContext } from 'node:test';
import { connect, type TLSSocket } from 'node:tls';
import type { CertificateSet } from '../../../src/certs/certificate-set.ts';
import { readConfig } from '../../../src/cli/config.ts';
import { terraformPolicy } from '../../../src/policy/policy.ts';
import { type AppDependencies, createApp, type Outcome } from '../../../src/webhook/app.ts';
import { type EndpointOptions, type EndpointServer, openServer } from '../../../src/webhook/server.ts';
import { aCertificateSet, SERVER_NAME } from '../builders/a-certificate-set.ts';
import type { Json } from '../builders/a-job.ts';

export const ENDPOINT_PATH = '/modify-terraform-job';

const issuedAt = new Date();

/** Returns certificates that are valid now. A different number gives a different certificate authority. */
export const someCertificates = (nth = 1): Promise<CertificateSet> => aCertificateSet({ issuedAt, nth });

/** The port that a client connects to, and the only certificate authorities that it trusts. */
export interface Target {
  readonly port: number;
  readonly caBundle: string;
}

export interface PostOptions {
  readonly method?: string;
  readonly path?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Default: a new connection for each call. */
  readonly agent?: Agent;
}

export interface Reply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
  /** The AdmissionReview in the response body. */
  readonly review: Json;
  readonly isConnectionReused: boolean;
}

/** Posts to the endpoint as the API server does: over TLS, with verification of the Service name. */
export function post(target: Target, body: unknown, options: PostOptions = {}): Promise<Reply> {
  const call = startPost(target, options);
  call.request.end(typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body));
  return call.reply;
}

/** Starts a POST whose body the caller writes and ends, for slow clients. */
export function startPost({ port, caBundle }: Target, options: PostOptions = {}) {
  const { method = 'POST', path = `${ENDPOINT_PATH}?timeout=10s`, headers, agent = false } = options;
  const call = request({
    host: '127.0.0.1',
    port,
    ca: caBundle,
    servername: SERVER_NAME,
    method,
    path,
    agent,
    headers: { Host: `${SERVER_NAME}:443`, ...(headers ?? { 'Content-Type': 'application/json' }) },
  });
  // The server can respond and close the connection while the client still writes.
  call.on('error', () => {});
  return { request: call, reply: readReply(call) };
}

async function readReply(call: ReturnType<typeof request>): Promise<Reply> {
  const [message] = await once(call, 'response');
  const text = Buffer.concat(await message.toArray()).toString('utf8');
  const isJson = String(message.headers['content-type']).startsWith('application/json');
  return {
    status: message.statusCode,
    headers: message.headers,
    text,
    review: isJson ? JSON.parse(text) : undefined,
    isConnectionReused: call.reusedSocket,
  };
}

/** Opens a TLS connection, for a test that writes raw HTTP. */
export async function connectTo({ port, caBundle }: Target): Promise<TLSSocket> {
  const socket = connect({ host: '127.0.0.1', port, ca: caBundle, servername: SERVER_NAME });
  await once(socket, 'secureConnect');
  return socket;
}

/** Returns the JSON Patch of a response. */
export function patchOf({ review }: Reply): Json {
  return JSON.parse(Buffer.from(review.response.patch, 'base64').toString('utf8'));
}

/** A line that the endpoint logged. */
export interface Line {
  readonly level: string;
  readonly message: string;
  readonly fields: Json;
}

/** A connection that was refused or cut off. */
export interface Refusal {
  readonly reason: string;
  readonly error: string;
}

export interface Endpoint extends Target {
  readonly server: EndpointServer;
  readonly lines: readonly Line[];
  readonly outcomes: readonly Outcome[];
  readonly refusals: readonly Refusal[];
  post(body: unknown, options?: PostOptions): Promise<Reply>;
}

export interface EndpointFields {
  readonly policy?: AppDependencies['policy'];
  readonly log?: Partial<AppDependencies['log']>;
  readonly drainMs?: number;
  readonly tls?: Partial<EndpointOptions['tls']>;
  readonly maxConnections?: number;
  readonly idleMs?: number;
  readonly clientCa?: string;
  readonly clientNames?: readonly string[];
}

/** Starts the endpoint with app and server of the daemon on a free port. It is closed when the test ends. */
export async function startEndpoint(t: TestContext, fields: EndpointFields = {}): Promise<Endpoint> {
  const { serving, caBundle } = await someCertificates();
  const lines: Line[] = [];
  const outcomes: Outcome[] = [];
  const app = createApp({
    path: ENDPOINT_PATH,
    policy: fields.policy ?? (() => terraformPolicy),
    log: { ...recordingLog(lines), ...fields.log },
    observe: (outcome) => void outcomes.push(outcome),
  });
  const refusals: Refusal[] = [];
  const server = await openServer(app, endpointOptions(fields), {
    clientCa: fields.clientCa,
    refused: (reason, error) => void refusals.push({ reason, error }),
  });
  server.present(serving);
  t.after(() => server.close());
  const target = { port: server.port, caBundle };
  return { ...target, server, lines, outcomes, refusals, post: (body, options) => post(target, body, options) };
}

/**
 * Returns the endpoint options of a daemon without flags, on a free loopback port. `fields` replaces the options of the
 * same name.
 */
export function endpointOptions(fields: EndpointFields = {}): EndpointOptions {
  const { endpoint } = readConfig({});
  return {
    ...{ ...endpoint, port: 0, address: '127.0.0.1', drainMs: fields.drainMs ?? 0 },
    maxConnections: fields.maxConnections ?? endpoint.maxConnections,
    clientNames: fields.clientNames,
    ...(fields.idleMs === undefined ? {} : { idleMs: fields.idleMs }),
    tls: { ...endpoint.tls, ...fields.tls },
  };
}

function recordingLog(lines: Line[]): AppDependencies['log'] {
  const at = (level: string) => (message: string, fields?: object) => void lines.push({ level, message, fields });
  return { error: at('error'), warn: at('warn'), info: at('info'), debug: at('debug') };
}
