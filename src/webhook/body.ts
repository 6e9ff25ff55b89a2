import type { IncomingMessage } from 'node:http';
import { messageOf } from '../lib/errors.ts';
import { hasMoreValues, OPENING_BRACE, withoutManagedFields } from './json-scan.ts';

/** The parsed body of a request, or the HTTP status and the text of the refusal. */
type Body = { readonly json: unknown } | Refusal;

export interface Refusal {
  readonly status: 400 | 413 | 415 | 503;
  readonly problem: string;
}

const MIB = 1024 * 1024;

/**
 * Maximum size of a body, in bytes. etcd accepts requests of up to 1.5 MiB by default. Go's JSON encoder writes each
 * `<`, `>` and `&` as six bytes, so a Job has up to 9 MiB in an AdmissionReview. An UPDATE has two Jobs, the old one
 * and the new one, which leaves 2 MiB for the rest.
 */
const MOST_BYTES = 20 * MIB;

/**
 * Maximum number of JSON values in a body. A Job of terraform-controller has a few hundred; two Jobs of 1.5 MiB with
 * ten bytes a value have 300,000. Each parsed value takes up to 200 bytes of memory, so without a limit one body of
 * `[],[],…` could exhaust the memory of the process.
 */
const MOST_VALUES = 400_000;

/** Maximum memory of all incomplete bodies, in bytes: enough for three bodies of the maximum size. */
const ALL_BODIES_BYTES = 64 * MIB;

/** A body that is being received: the first `length` bytes of `bytes`. */
interface Held {
  /** Maximum bytes of this body: its Content-Length, or `MOST_BYTES`. */
  readonly mostBytes: number;
  /** The first byte that is not whitespace. */
  first: number | undefined;
  bytes: Buffer;
  length: number;
  isDropped: boolean;
}

/**
 * Returns a function that reads the JSON object in the body of a request. The memory of all incomplete bodies is
 * limited, because any client that reaches the port can send a body. The limit counts the received bytes, not the
 * Content-Length. Otherwise a few clients that announce large bodies and send nothing would block all other clients.
 * Beyond the limit the function drops the largest body, so that small bodies are still read.
 */
export function createBodyReader(): (request: IncomingMessage) => Promise<Body> {
  const bodies = new Set<Held>();

  function keep(body: Held, chunk: Buffer): void {
    const length = body.length + chunk.length;
    if (length === body.mostBytes && body.length === 0) {
      body.bytes = chunk; // a complete body is parsed at once, so it needs no accounting
    } else if (!body.isDropped) {
      if (length > body.bytes.length) {
        bodies.add(body);
        // Copy the chunk, because a chunk of one byte can be a slice that keeps 16 KiB of memory alive.
        const larger = Buffer.allocUnsafeSlow(Math.min(body.mostBytes, Math.max(2 * body.bytes.length, length)));
        body.bytes.copy(larger, 0, 0, body.length);
        body.bytes = larger;
        dropUntilWithin(bodies, ALL_BODIES_BYTES);
      }
      chunk.copy(body.bytes, body.length);
    }
    body.length = length;
  }

  /**
   * Adds a chunk to a body. Returns a refusal if the body is not a JSON object or is too large; the rest of the body is
   * then ignored.
   */
  function take(body: Held, chunk: Buffer): Refusal | undefined {
    body.first ??= chunk.find(isNoBlank);
    if (body.first !== undefined && body.first !== OPENING_BRACE) return noObject(body.first);
    if (body.length + chunk.length > body.mostBytes) return tooLarge;
    keep(body, chunk);
    return undefined;
  }

  /**
   * Reads a body with event listeners, because an async iterator would add a tenth to the time of an admission request.
   * Settles with the bytes and not with what they contain, because the listeners hold the result as long as the request.
   */
  function read(request: IncomingMessage, settle: (body: Held | Refusal) => void): void {
    const mostBytes = Math.min(MOST_BYTES, lengthOf(request) ?? MOST_BYTES);
    const body: Held = { mostBytes, first: undefined, bytes: NOTHING, length: 0, isDropped: false };
    const end = (result: Held | Refusal): void => {
      bodies.delete(body);
      settle(result);
    };
    const onData = (chunk: Buffer): void => {
      const refusal = take(body, chunk);
      if (refusal === undefined) return;
      request.off('data', onData).off('end', onEnd);
      request.resume(); // discards the rest of the body
      end(refusal);
    };
    // A busy endpoint answers 503 only after the last byte, because a client that is still sending could miss the
    // response and its `Retry-After`.
    const onEnd = (): void => end(body.isDropped ? busy : body);
    request.on('data', onData);
    request.once('end', onEnd);
    // Node.js also emits `error` if the client disconnects.
    request.once('error', (error) => end({ status: 400, problem: messageOf(error) }));
  }

  return async (request) => {
    const refusal = refusalByHeaders(request);
    if (refusal !== undefined) {
      request.resume();
      return refusal;
    }
    const body = await new Promise<Held | Refusal>((resolve) => read(request, resolve));
    return 'problem' in body ? body : parse(body);
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
  // A compressed body could have any size after decompression.
  if (encoding.toLowerCase() !== 'identity') {
    return { status: 415, problem: `Content-Encoding: invalid value ${encoding}: must be identity` };
  }
  const [, charset = 'utf-8'] = /;\s*charset\s*=\s*"?([^\s";]*)/i.exec(type) ?? [];
  if (charset.toLowerCase() !== 'utf-8') {
    return { status: 415, problem: `charset: invalid value ${charset}: must be utf-8` };
  }
  return (lengthOf(request) ?? 0) > MOST_BYTES ? tooLarge : undefined;
}

const lengthOf = ({ headers }: IncomingMessage): number | undefined =>
  headers['content-length'] === undefined ? undefined : Number(headers['content-length']);

const tooLarge: Refusal = { status: 413, problem: `body: too large: must be at most ${MOST_BYTES / MIB} MiB` };
const tooManyValues: Refusal = {
  status: 413,
  problem: `body: too many JSON values: must have at most ${MOST_VALUES}`,
};
const busy: Refusal = { status: 503, problem: 'too many large requests at once; try again' };

/** Returns whether a byte is not whitespace in JSON: https://www.rfc-editor.org/rfc/rfc8259#section-2 */
const isNoBlank = (byte: number): boolean => byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09;

const nothing: Refusal = { status: 400, problem: 'body: required: must be a JSON object' };

const noObject = (first: number): Refusal => ({
  status: 400,
  problem: `body: invalid first character ${JSON.stringify(String.fromCharCode(first))}: must be a JSON object`,
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
