import { Agent } from 'node:https';
import fc from 'fast-check';
import { aTerraformJob, type Json } from '../support/builders/a-job.ts';
import { anUpdate, aReview } from '../support/builders/a-review.ts';
import { anySketch, jobText, pathsOf, withValue } from '../support/builders/any-job.ts';
import { recorded } from '../support/builders/fixtures.ts';
import { post } from '../support/cluster/endpoint.ts';
import { startEndpointChild } from './endpoint-child.ts';
import { anyHostileJson } from './junk.ts';
import { assertAnswer, isTooLarge } from './oracle.ts';
import type { Target } from './target.ts';

const MIB = 1024 * 1024;

/** A change of one field of a valid review: another value, or a second occurrence of the field before or after it. */
interface Spoiling {
  /** Index of the field among all fields, modulo their number. */
  readonly nth: number;
  readonly kind: 'replaced' | 'said before' | 'said again';
  readonly json: string;
}

const bases: readonly Json[] = [
  aReview(),
  anUpdate(),
  aReview({ object: aTerraformJob({ backoffLimit: 0, restartPolicy: 'Never' }) }),
  anUpdate({ oldObject: aTerraformJob({ conditions: [{ type: 'Failed', status: 'False' }] }) }),
  recorded('create-terraform-apply').review,
  recorded('update-terraform-apply-annotate').review,
];

const anySpoiling: fc.Arbitrary<Spoiling> = fc.record({
  nth: fc.nat(200),
  kind: fc.constantFrom('replaced', 'said before', 'said again'),
  json: anyHostileJson,
});

/** A placeholder that is replaced by raw JSON text, which `JSON.stringify` could not write. */
const mark = (index: number): string => `@spoiled ${index}@`;

function spoiled(review: Json, spoilings: readonly Spoiling[]): string {
  const names: string[] = [];
  const marked = spoilings.reduce((json: Json, { nth, kind }, index) => {
    const paths = pathsOf(json);
    const path = paths[nth % paths.length] ?? [];
    const name = path.at(-1);
    names.push(name ?? '');
    if (kind === 'replaced' || name === undefined) return withValue(json, path, mark(index));
    const parentPath = path.slice(0, -1);
    const parent = parentPath.reduce((at, step) => at[step], json);
    if (Array.isArray(parent)) return withValue(json, path, mark(index));
    const twin = { [`${mark(index)}name`]: mark(index) };
    return withValue(json, parentPath, kind === 'said again' ? { ...parent, ...twin } : { ...twin, ...parent });
  }, review);
  return spoilings.reduce(
    (text, { json }, index) =>
      text
        .replaceAll(JSON.stringify(`${mark(index)}name`), () => JSON.stringify(names[index]))
        .replaceAll(JSON.stringify(mark(index)), () => json),
    JSON.stringify(marked),
  );
}

const anyReviewText = fc.oneof(
  {
    weight: 4,
    arbitrary: fc
      .tuple(fc.constantFrom(...bases), fc.array(anySpoiling, { maxLength: 3 }))
      .map((made) => spoiled(...made)),
  },
  {
    weight: 2,
    arbitrary: fc
      .tuple(anySketch, fc.constantFrom(aReview, anUpdate))
      .map(([sketch, review]) =>
        JSON.stringify(review({ object: '@job@' })).replaceAll('"@job@"', () => jobText(sketch)),
      ),
  },
);

const anyByteEdit = fc.record({
  at: fc.double({ min: 0, max: 1, noNaN: true }),
  cut: fc.oneof(fc.nat(2), fc.nat(5_000)),
  put: fc.oneof(fc.uint8Array({ maxLength: 8 }), fc.constantFrom(Uint8Array.of(0xff), Uint8Array.of(0xed, 0xa0, 0x80))),
});

function withByteEdit(body: Buffer, { at, cut, put }: { at: number; cut: number; put: Uint8Array }): Buffer {
  const index = Math.floor(at * body.length);
  return Buffer.concat([body.subarray(0, index), put, body.subarray(index + cut)]);
}

/** One body in a hundred is large, because a large body takes a hundred times as long. */
const anyPadding = fc.oneof({ weight: 99, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.nat(21 * MIB) });

const anyBody = fc
  .tuple(
    anyReviewText,
    fc.oneof({ weight: 3, arbitrary: fc.constant([]) }, fc.array(anyByteEdit, { maxLength: 3 })),
    anyPadding,
  )
  .map(([text, edits, padding]) =>
    Buffer.concat([edits.reduce(withByteEdit, Buffer.from(text)), Buffer.alloc(padding, ' ')]),
  );

/**
 * Sends arbitrary reviews to an endpoint. Each response must be the response that `assertAnswer` expects. A large body
 * can also get 503, and a body with very many values 413.
 */
export async function reviewTarget(): Promise<Target<Buffer[]>> {
  const child = await startEndpointChild();
  // Connections are kept open, as the API server does. A client that closes its connection while it still sends could
  // lose the response.
  const agent = new Agent({ keepAlive: true });
  return {
    inputs: fc.array(anyBody, { minLength: 1, maxLength: 3 }),
    async check(bodies) {
      const replies = await Promise.all(bodies.map((body) => post(child, body, { agent })));
      for (const [index, reply] of replies.entries()) {
        const body = bodies[index] ?? Buffer.alloc(0);
        if (reply.status === 503 && body.length > MIB) continue;
        if (reply.status === 413 && !isTooLarge(body) && hasManyValues(body)) continue;
        assertAnswer(body, reply);
      }
      child.check();
    },
    cpuMs: child.cpuMs,
    maxRssMib: child.maxRssMib,
    close() {
      agent.destroy();
      return child.stop();
    },
  };
}

/**
 * Returns whether the endpoint can refuse the body because it has too many JSON values. This estimate is rough;
 * test/component/hostile-clients.test.ts checks the exact limit.
 */
const hasManyValues = (body: Buffer): boolean => (body.toString('latin1').match(/[,[{]/g)?.length ?? 0) > 400_000;
