import { readdirSync, readFileSync } from 'node:fs';
import type { Json } from './a-job.ts';

const folder = new URL('../../fixtures/admission-reviews/', import.meta.url);

/** An AdmissionReview that a real API server sent. */
export interface Recorded {
  readonly name: string;
  /** The bytes as they came. */
  readonly text: string;
  readonly review: Json;
}

/** All of them, by name. */
export const recordedReviews: readonly Recorded[] = readdirSync(folder)
  .filter((file) => file.endsWith('.json'))
  .map((file) => file.replace(/\.json$/, ''))
  .sort()
  .map((name) => {
    const text = readFileSync(new URL(`${name}.json`, folder), 'utf8');
    return { name, text, review: JSON.parse(text) };
  });

/** One of them; a name that is not there is a mistake in the test. */
export function recorded(name: string): Recorded {
  const found = recordedReviews.find((one) => one.name === name);
  if (found === undefined) throw new Error(`there is no recorded review ${name}`);
  return found;
}
