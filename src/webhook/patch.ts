import jsonpatch from 'fast-json-patch';
import { messageOf } from '../lib/errors.ts';
import { asObject, isObject } from '../lib/json.ts';
import type { Decision } from '../policy/decide.ts';
import { ANNOTATIONS_PATH, MARK_PATH } from '../policy/mark.ts';
import { MARK_ANNOTATION } from '../policy/policy.ts';
import { settingFields } from '../policy/setting-fields.ts';
import type { Operation } from './review.ts';

type Changed = Extract<Decision, { changes: unknown }>;

/**
 * Returns the changes and the mark as a JSON Patch of `add` operations. `add` replaces a field that exists. With a `replace` of an
 * absent field the API server would fail the user's request with 500.
 *
 * @see https://www.rfc-editor.org/rfc/rfc6902#section-4.1
 */
export const patchOf = ({ changes, mark }: Pick<Changed, 'changes' | 'mark'>, object: unknown): Operation[] => [
  ...changes.map(({ field, to }) => ({ op: 'add' as const, path: settingFields[field].path, value: to })),
  ...(mark === undefined ? [] : marking(mark, asObject(object).metadata)),
];

function marking(mark: string, metadata: unknown): Operation[] {
  // The API server refuses a Job without metadata itself, and must not get a patch that does not apply.
  if (!isObject(metadata)) return [];
  return isObject(metadata.annotations)
    ? [{ op: 'add', path: MARK_PATH, value: mark }]
    : [{ op: 'add', path: ANNOTATIONS_PATH, value: { [MARK_ANNOTATION]: mark } }];
}

/**
 * Applies the patch to the received Job, in place, to check that it applies. The API server would reject the user's
 * request after a patch that does not apply, even with failurePolicy Ignore. An error of this function becomes a
 * response 500 instead, so that the failurePolicy decides.
 *
 * @throws Error with the rule of RFC 6902 that the patch violates.
 */
export function applyPatch(job: unknown, patch: readonly Operation[]): void {
  try {
    jsonpatch.applyPatch(job, patch, true);
  } catch (error) {
    // The error message of the library contains the whole Job, which can contain secrets.
    const rule = error instanceof jsonpatch.JsonPatchError ? error.name : messageOf(error);
    throw new Error(`the patch does not apply to the Job: ${rule}`);
  }
}
