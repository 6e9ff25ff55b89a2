import assert from 'node:assert/strict';
import type { Operation } from '../../../src/webhook/review.ts';
import type { Json } from './a-job.ts';

/** Applies RFC 6902 `add` operations to objects, independently of the library that the daemon uses. */
export function applyAdds(document: Json, operations: readonly Operation[]): Json {
  for (const { path, value } of operations) {
    const names = path
      .split('/')
      .slice(1)
      .map((name) => name.replaceAll('~1', '/').replaceAll('~0', '~'));
    const last = names.pop();
    assert.ok(last !== undefined, 'the whole document is never replaced');
    const parent = names.reduce((at, name) => at[name], document);
    assert.equal(typeof parent, 'object', `${path} has no parent`);
    parent[last] = value;
  }
  return document;
}

type RawJson = { rawJSON(text: string): unknown };

/** Parses JSON and keeps numbers as text, because `JSON.parse` rounds long numbers. */
export const parseExactly = (text: string): Json =>
  JSON.parse(text, ((_name: string, value: unknown, { source }: { source: string }) =>
    typeof value === 'number' ? (JSON as unknown as RawJson).rawJSON(source) : value) as never);
