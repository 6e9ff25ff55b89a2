import { readdirSync, readFileSync } from 'node:fs';
import type { Json } from './a-job.ts';

const folder = new URL('../../fixtures/admission-reviews/', import.meta.url);

/** An AdmissionReview that a real API server sent. */
export interface Recorded {
  readonly name: string;
  /** The recorded request body. */
  readonly text: string;
  readonly review: Json;
}

/** All recorded reviews, sorted by name. */
export const recordedReviews: readonly Recorded[] = readdirSync(folder)
  .filter((file) => file.endsWith('.json'))
  .map((file) => file.replace(/\.json$/, ''))
  .sort()
  .map((name) => {
    const text = readFileSync(new URL(`${name}.json`, folder), 'utf8');
    return { name, text, review: JSON.parse(text) };
  });

/** Returns a recorded review by name; throws if there is none. */
export function recorded(name: string): Recorded {
  const found = recordedReviews.find((one) => one.name === name);
  if (found === undefined) throw new Error(`there is no recorded review ${name}`);
  return found;
}
