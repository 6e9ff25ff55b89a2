import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createConnection, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import fc from 'fast-check';
import { aJob } from '../support/builders/a-job.ts';
import { anUpdate, aReview } from '../support/builders/a-review.ts';
import { connectTo, ENDPOINT_PATH, patchOf, post } from '../support/cluster/endpoint.ts';
import { promptly } from '../support/eventually.ts';
import { type EndpointChild, startEndpointChild } from './endpoint-child.ts';
import { type Path, patchIn } from './oracle.ts';
import type { Target } from './target.ts';

const CRLF = '\r\n';

/** Bodies by uid, each with the expected patch. */
const patches: Readonly<Record<string, readonly Path[]>> = {
  create: ['/spec/backoffLimit', '/spec/template/spec/restartPolicy'],
  update: ['/spec/backoffLimit'],
  plain: [],
};
const bodies = [
  JSON.stringify(aReview({ uid: 'create' })),
  JSON.stringify(anUpdate({ uid: 'update' })),
  JSON.stringify(aReview({ uid: 'plain', object: aJob() })),
  '',
  '{}',
  '[]',
  '{"a":'.repeat(100_000),
];

/** The allowed statuses. The endpoint sends some of them, and Node.js sends the others for invalid or late requests. */
const STATUSES = [100, 200, 400, 404, 405, 408, 413, 415, 417, 431, 503];

const anyLine = fc.constantFrom(
  `POST ${ENDPOINT_PATH}?timeout=10s HTTP/1.1`,
  `POST ${ENDPOINT_PATH} HTTP/1.0`,
  `POST https://x${ENDPOINT_PATH} HTTP/1.1`,
  `GET ${ENDPOINT_PATH} HTTP/1.1`,
  `OPTIONS * HTTP/1.1`,
  'CONNECT x:443 HTTP/1.1',
  'PRI * HTTP/2.0',
  `POST ${ENDPOINT_PATH}/../${ENDPOINT_PATH} HTTP/1.1`,
  `POST ${ENDPOINT_PATH}%00 HTTP/1.1`,
  `POST /${'x'.repeat(20_000)} HTTP/1.1`,
  'hello',
);

const anyHeader = fc.constantFrom(
  'Host: x',
  'Content-Type: application/json',
  'Content-Type: application/json; charset=utf-16',
  'Content-Type: text/plain',
  'Content-Encoding: gzip',
  'Connection: close',
  'Connection: keep-alive',
  'Connection: upgrade',
  'Upgrade: websocket',
  'Expect: 100-continue',
  'Expect: something',
  'Transfer-Encoding: gzip, chunked',
  'Transfer-Encoding : chunked',
  'Transfer-Encoding: identity',
  'Content-Length: 0',
  'Content-Length: -1',
  'Content-Length: 18446744073709551616',
  'Content-Length: +5',
  ' folded: yes',
  'no colon',
  'Bad\0Name: x',
  '__proto__: x',
  'constructor: x',
  'Trailer: X-After',
  `X-Long: ${'x'.repeat(20_000)}`,
  ...Array.from({ length: 3 }, () => 'X-Many: 1\r\n'.repeat(3_000)),
);

const chunked = (text: string, oddity: string): string => {
  const middle = Math.floor(text.length / 2);
  const chunk = (part: string, size = part.length.toString(16)) => `${size}${oddity}${CRLF}${part}${CRLF}`;
  return `${chunk(text.slice(0, middle))}${chunk(text.slice(middle))}${chunk('', '0')}`;
};

/** How a body goes over the wire: the header that announces it, and its bytes. */
const framings: readonly ((body: string) => readonly [header: string, bytes: string])[] = [
  (body) => [`Content-Length: ${body.length}`, body],
  (body) => [`Content-Length: ${body.length + 3}`, body],
  (body) => [`Content-Length: ${Math.max(0, body.length - 3)}`, body],
  (body) => [`Content-Length: ${body.length}${CRLF}Content-Length: ${body.length}`, body],
  (body) => [`Content-Length: ${body.length}${CRLF}Transfer-Encoding: chunked`, chunked(body, '')],
  (body) => ['Transfer-Encoding: chunked', chunked(body, '')],
  (body) => ['Transfer-Encoding: chunked', chunked(body, ';name="value"')],
  (body) => ['Transfer-Encoding: chunked', chunked(body, `;${'x'.repeat(20_000)}`)],
  (body) => ['Transfer-Encoding: chunked', chunked(body, ' ')],
  (body) => ['Transfer-Encoding: chunked', `fffffffffffffffff${CRLF}${body}`],
  (body) => ['Transfer-Encoding: chunked', `-1${CRLF}${body}`],
  (body) => ['X-None: there', body],
];

const goodLine = `POST ${ENDPOINT_PATH} HTTP/1.1`;
const goodHeaders = ['Host: x', 'Content-Type: application/json'];

const anyRequest = fc
  .record({
    line: fc.oneof({ weight: 3, arbitrary: fc.constant(goodLine) }, anyLine),
    headers: fc.oneof(
      fc.constant(goodHeaders),
      fc.array(anyHeader, { maxLength: 5 }).map((more) => [...goodHeaders, ...more]),
      fc.array(anyHeader, { maxLength: 6 }),
    ),
    body: fc.constantFrom(...bodies),
    framing: fc.oneof({ weight: 2, arbitrary: fc.constantFrom(...framings.slice(0, 1)) }, fc.constantFrom(...framings)),
    newline: fc.oneof({ weight: 9, arbitrary: fc.constant(CRLF) }, fc.constantFrom('\n', '\r')),
  })
  .map(({ line, headers, body, framing, newline }) => {
    const [announced, bytes] = framing(body);
    return [line, ...headers, announced, '', bytes].join(newline);
  });

interface Exchange {
  /** Whether to use TLS. Without TLS the bytes go to the TLS port as they are. */
  readonly isTls: boolean;
  readonly requests: readonly string[];
  /**
   * Positions at which the bytes are split, as fractions from 0 to 1. The client waits `pauseMs` between the pieces.
   */
  readonly cuts: readonly number[];
  readonly pauseMs: number;
  readonly noise: { readonly at: number; readonly bytes: Uint8Array } | undefined;
  readonly end: 'end' | 'destroy' | 'reset';
}

const anyPlace = fc.double({ min: 0, max: 1, noNaN: true });

const anyExchange: fc.Arbitrary<Exchange> = fc.record({
  isTls: fc.oneof({ weight: 9, arbitrary: fc.constant(true) }, fc.constant(false)),
  requests: fc.array(anyRequest, { minLength: 1, maxLength: 5 }),
  cuts: fc.array(anyPlace, { maxLength: 4 }),
  pauseMs: fc.oneof({ weight: 4, arbitrary: fc.constant(0) }, fc.nat(20)),
  noise: fc.option(fc.record({ at: anyPlace, bytes: fc.uint8Array({ minLength: 1, maxLength: 40 }) }), {
    nil: undefined,
    freq: 4,
  }),
  end: fc.oneof(
    { weight: 8, arbitrary: fc.constant('end' as const) },
    fc.constantFrom('destroy' as const, 'reset' as const),
  ),
});

function bytesOf({ requests, noise }: Exchange): Buffer {
  const bytes = Buffer.from(requests.join(''), 'latin1');
  if (noise === undefined) return bytes;
  const index = Math.floor(noise.at * bytes.length);
  return Buffer.concat([bytes.subarray(0, index), noise.bytes, bytes.subarray(index)]);
}

function piecesOf(bytes: Buffer, cuts: readonly number[]): Buffer[] {
  const places = [0, ...cuts.map((cut) => Math.floor(cut * bytes.length)).sort((a, b) => a - b), bytes.length];
  return places.slice(1).map((place, index) => bytes.subarray(places[index], place));
}

/** Sends bytes in pieces with pauses over a connection. Some are valid requests and some are not. */
export async function wireTarget(): Promise<Target<Exchange>> {
  const child = await startEndpointChild();
  let count = 0;
  return {
    inputs: anyExchange,
    async check(exchange) {
      const answer = await promptly(exchanged(child, exchange), { withinMs: 60_000 });
      assertAnswers(answer, exchange.noise === undefined);
      count += 1;
      if (count % 20 === 0) assert.deepEqual(patchOf(await post(child, aReview())).length, 3);
      child.check();
    },
    cpuMs: child.cpuMs,
    maxRssMib: child.maxRssMib,
    close: child.stop,
  };
}

/** Returns all received bytes until the server closes; empty if the client closed first. */
async function exchanged(child: EndpointChild, exchange: Exchange): Promise<string> {
  const socket = exchange.isTls ? await connectTo(child) : await connectPlainly(child.port);
  const answer: Buffer[] = [];
  socket.on('data', (bytes: Buffer) => answer.push(bytes));
  // Errors are ignored, because the server resets connections with invalid bytes.
  socket.on('error', () => {});
  const closed = new Promise((resolve) => socket.once('close', resolve));
  for (const piece of piecesOf(bytesOf(exchange), exchange.cuts)) {
    if (socket.destroyed) break;
    socket.write(piece);
    if (exchange.pauseMs > 0) await delay(exchange.pauseMs);
  }
  if (exchange.end === 'end') socket.end();
  // A TLS socket cannot be reset.
  else if (exchange.end === 'destroy' || exchange.isTls) socket.destroy();
  else socket.resetAndDestroy();
  await closed;
  return Buffer.concat(answer).toString('latin1');
}

async function connectPlainly(port: number): Promise<Socket> {
  const socket = createConnection(port, '127.0.0.1');
  await once(socket, 'connect');
  return socket;
}

function assertAnswers(answer: string, isAsSent: boolean): void {
  for (const [, status] of answer.matchAll(/HTTP\/1\.1 (\d{3}) /g)) {
    assert.ok(STATUSES.includes(Number(status)), `HTTP ${status}`);
  }
  for (const [, text = ''] of answer.matchAll(
    /\r\n\r\n(\{"apiVersion":"admission\.k8s\.io\/v1".*?\})(?=HTTP\/1\.1 |$)/gs,
  )) {
    const { response } = JSON.parse(text);
    const paths = patchIn(response);
    const wanted = patches[response.uid];
    if (isAsSent) assert.deepEqual(paths, wanted, `the patch of ${response.uid}`);
  }
}
