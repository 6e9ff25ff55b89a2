import jsonpatch from 'fast-json-patch';
import type { JsonObject, Operation } from './review.ts';

/**
 * The JSON Patch that turns a Job into the wanted one. Only ever adds: on a field that exists `add` replaces it, while
 * a `replace` of one that does not would make the API server fail the user's request with 500.
 *
 * @see https://www.rfc-editor.org/rfc/rfc6902#section-4.1
 */
export function patchBetween(job: JsonObject, wanted: JsonObject): Operation[] {
  return jsonpatch.compare(job, wanted).map((operation) => {
    if (operation.op !== 'add' && operation.op !== 'replace') throw new Error(`unexpected ${operation.op} in a patch`);
    return { op: 'add', path: operation.path, value: operation.value };
  });
}
