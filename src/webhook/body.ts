import type { IncomingMessage } from 'node:http';
import { messageOf } from '../lib/errors.ts';
import { hasMoreValues, OPENING_BRACE, withoutManagedFields } from './json-scan.ts';

/** What a client has sent, or why that was not taken: an HTTP status and a text. */
type Body = { readonly json: unknown } | Refusal;

export interface Refusal {
  readonly status: 400 | 413 | 415 | 503;
  readonly problem: string;
}

const MIB = 1024 * 1024;

/**
 * etcd takes requests of up to 1.5 MiB. Go's JSON writes each `<`, `>` and `&` in six bytes, so that the Job in one may
 * be 9 MiB in a review; on UPDATE there are two of them, old and new, and 2 MiB are left for what is around them.
 */
const MOST_BYTES = 20 * MIB;

/**
 * A Job of terraform-controller has some hundred; one of 1.5 MiB whose values take ten bytes each has 300,000, old and new.
 * Each costs up to 200 bytes of memory: without a bound one body of `[],[],…` ends the process.
 */
const MOST_VALUES = 400_000;

/** All bodies that are being received: three of the largest at once, or some thousand ordinary ones. */
const ALL_BODIES_BYTES = 64 * MIB;

/** A body on its way in: the first `length` of `bytes`. */
interface Held {
  /** What it can have at most: its Content-Length, or the limit. */
  readonly mostBytes: number;
  /** Its first byte that is no blank. */
  first: number | undefined;
  bytes: Buffer;
  length: number;
  isDropped: boolean;
}

/**
 * Reads JSON objects for whoever connects, which is why memory is counted: by what is there and not by what
 * Content-Length announces, or a few clients that announce much and send nothing would keep everybody else out. Where
 * it gets too much the largest body gives way, so that ordinary ones pass also between many that are as large as may be.
 */
export function createBodyReader(): (request: IncomingMessage) => Promise<Body> {
  const bodies = new Set<Held>();

  function keep(body: Held, chunk: Buffer): void {
    const length = body.length + chunk.length;
    if (length === body.mostBytes && body.length === 0) {
      body.bytes = chunk; // all of it: it is parsed at once, and does not wait for more
    } else if (!body.isDropped) {
      if (length > body.bytes.length) {
        bodies.add(body);
        // A copy, because chunks may be slices: of a byte each, with 16 KiB of memory behind them.
        const larger = Buffer.allocUnsafeSlow(Math.min(body.mostBytes, Math.max(2 * body.bytes.length, length)));
        body.bytes.copy(larger, 0, 0, body.length);
        body.bytes = larger;
        dropUntilWithin(bodies, ALL_BODIES_BYTES);
      }
      chunk.copy(body.bytes, body.length);
    }
    body.length = length;
  }

  /** Adds a chunk to a body, or returns why the rest of the body is not read. */
  function take(body: Held, chunk: Buffer): Refusal | undefined {
    body.first ??= chunk.find(isNoBlank);
    if (body.first !== undefined && body.first !== OPENING_BRACE) return noObject(body.first);
    if (body.length + chunk.length > body.mostBytes) return tooLarge;
    keep(body, chunk);
    return undefined;
  }

  /** By events: an async iterator would cost a tenth of the whole answer. */
  function read(request: IncomingMessage, settle: (body: Body) => void): void {
    const mostBytes = Math.min(MOST_BYTES, lengthOf(request) ?? MOST_BYTES);
    const body: Held = { mostBytes, first: undefined, bytes: NOTHING, length: 0, isDropped: false };
    const end = (result: Body): void => {
      bodies.delete(body);
      settle(result);
    };
    const onData = (chunk: Buffer): void => {
      const refusal = take(body, chunk);
      if (refusal === undefined) return;
      request.off('data', onData).off('end', onEnd);
      request.resume(); // what is still to come is thrown away
      end(refusal);
    };
    // Only now: a client that is still writing would meet a closed connection, and miss that it may come again.
    const onEnd = (): void => end(body.isDropped ? busy : parse(body));
    request.on('data', onData);
    request.once('end', onEnd);
    // Also where the client has gone.
    request.once('error', (error) => end({ status: 400, problem: messageOf(error) }));
  }

  return (request) => {
    const refusal = refusalByHeaders(request);
    if (refusal === undefined) return new Promise((resolve) => read(request, resolve));
    request.resume();
    return Promise.resolve(refusal);
  };
}

const NOTHING = Buffer.alloc(0);

function dropUntilWithin(bodies: ReadonlySet<Held>, allBytes: number): void {
  const bySize = [...bodies].sort((a, b) => b.bytes.length - a.bytes.length);
  let sum = bySize.reduce((bytes, body) => bytes + body.bytes.length, 0);
  for (const body of bySize) {
    if (sum <= allBytes) return;
    sum -= body.bytes.length;
    body.bytes = NOTHING;
    body.isDropped = true;
  }
}

function refusalByHeaders(request: IncomingMessage): Refusal | undefined {
  const { 'content-encoding': encoding = 'identity', 'content-type': type = '' } = request.headers;
  // A compressed body would be of any size once it is inflated.
  if (encoding.toLowerCase() !== 'identity') {
    return { status: 415, problem: `Content-Encoding: found ${encoding}; allowed is none` };
  }
  const [, charset = 'utf-8'] = /;\s*charset\s*=\s*"?([^\s";]*)/i.exec(type) ?? [];
  if (charset.toLowerCase() !== 'utf-8') {
    return { status: 415, problem: `charset: found ${charset}; allowed is utf-8` };
  }
  return (lengthOf(request) ?? 0) > MOST_BYTES ? tooLarge : undefined;
}

const lengthOf = ({ headers }: IncomingMessage): number | undefined =>
  headers['content-length'] === undefined ? undefined : Number(headers['content-length']);

const moreThan = (limit: string): Refusal => ({
  status: 413,
  problem: `body: found more than ${limit}; allowed is at most that`,
});

const tooLarge = moreThan(`${MOST_BYTES / MIB} MiB`);
const tooManyValues = moreThan(`${MOST_VALUES} values`);
const busy: Refusal = { status: 503, problem: 'too many large requests at once; try again' };

/** https://www.rfc-editor.org/rfc/rfc8259#section-2 */
const isNoBlank = (byte: number): boolean => byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09;

const nothing: Refusal = { status: 400, problem: 'body: found nothing; allowed is a JSON object' };

const noObject = (first: number): Refusal => ({
  status: 400,
  problem: `body: found ${JSON.stringify(String.fromCharCode(first))} at its beginning; allowed is a JSON object`,
});

function parse({ first, bytes, length }: Held): Body {
  if (first === undefined) return nothing;
  const body = bytes.subarray(0, length);
  if (hasMoreValues(body, MOST_VALUES)) return tooManyValues;
  try {
    return { json: JSON.parse(withoutManagedFields(body).toString()) };
  } catch (error) {
    return { status: 400, problem: messageOf(error) };
  }
}
