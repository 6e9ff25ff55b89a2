import type { JsonObject } from '../lib/json.ts';
import { MARK_ANNOTATION } from './policy.ts';
import { celString } from './predicates.ts';

/** A field that a rule changes, and its value before. */
interface Before {
  readonly field: string;
  readonly from: number | string | undefined;
}

/** The path of all annotations of a Job, and of the mark, as JSON Pointers. */
export const ANNOTATIONS_PATH = '/metadata/annotations';
export const MARK_PATH = `${ANNOTATIONS_PATH}/${MARK_ANNOTATION.replace('/', '~1')}`;

/**
 * Maximum size in bytes of the annotations of a Job that gets a mark. The API server refuses an object with more than
 * 256 KiB of annotations (`ValidateAnnotationsSize` in k8s.io/apimachinery), and a mark has fewer than 256 bytes.
 */
const MOST_BYTES = 256 * 1024 - 256;

/**
 * Maximum number of annotations of a Job that gets a mark. The API server stops an expression that costs too much, and
 * refuses the Job of the user: CEL cannot measure 50,000 annotations, and measures 40,000 in seconds.
 */
const MOST_ANNOTATIONS = 1_000;

/**
 * Returns the value of the mark: the name of the rule, and the value before of each changed field that the Job had.
 * Returns `undefined` if the Job has a mark, which stays, or has no room for one. An empty mark counts as none, because the
 * API server makes it of a null.
 */
export const markOf = (annotations: JsonObject, rule: string, changes: readonly Before[]): string | undefined =>
  (annotations[MARK_ANNOTATION] ?? '') !== '' || !isRoomIn(annotations)
    ? undefined
    : JSON.stringify({ rule, ...Object.fromEntries(changes.map(({ field, from }) => [field, from ?? undefined])) });

const isRoomIn = (annotations: JsonObject): boolean =>
  Object.keys(annotations).length <= MOST_ANNOTATIONS && bytesOf(annotations) <= MOST_BYTES;

/** Returns the `backoffLimit` before, as a mark records it; NaN if the mark has none. */
export const limitBefore = (mark: unknown): number => Number(/"backoffLimit":(\d+)/.exec(String(mark))?.[1]);

/** The API server refuses a value that is not a string before admission. */
const bytesOf = (annotations: JsonObject): number =>
  Object.entries(annotations).reduce(
    (sum, [name, value]) => sum + Buffer.byteLength(name) + (typeof value === 'string' ? Buffer.byteLength(value) : 0),
    0,
  );

const ALL = 'object.metadata.annotations';
const MARK = celString(MARK_ANNOTATION);

/** The same check as a CEL expression. */
const mayMarkCel =
  `(!has(${ALL}) || (!(${MARK} in ${ALL}) || ${ALL}[${MARK}] == '') && ${ALL}.size() <= ${MOST_ANNOTATIONS}` +
  ` && ${ALL}.map(k, bytes(k).size() + bytes(${ALL}[k]).size()).sum() <= ${MOST_BYTES})`;

/**
 * Returns a CEL list of the JSONPatch operations that add the mark, which creates the map of annotations if the Job has
 * none.
 *
 * @param rule a CEL expression of the name of the rule. The name is a DNS label, so it is the same text in JSON.
 * @param values CEL expressions, each of the text `,"field":value` of a changed field, or of an empty text.
 */
export const markCel = (rule: string, values: readonly string[]): string =>
  `(${mayMarkCel} ? (has(${ALL}) ? [] : [JSONPatch{op: 'add', path: '${ANNOTATIONS_PATH}', value: {}}]) +\n` +
  `[JSONPatch{op: 'add', path: '${MARK_PATH}', value: '{"rule":"' + ${rule} + '"' + ${values.join(' + ')} + '}'}] : [])`;
