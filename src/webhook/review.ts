import { OperatorError } from '../lib/errors.ts';
import { asObject, isObject, type JsonObject } from '../lib/json.ts';
import { describeValue } from '../lib/text.ts';
import type { JobWrite } from '../policy/decide.ts';

/** The half of an AdmissionReview that the API server fills in, as far as a decision reads it. */
export interface AdmissionRequest extends JobWrite {
  readonly uid: string;
  /** Empty on a CREATE with `generateName`. */
  readonly name: string;
  readonly isDryRun: boolean;
}

/** One operation of a JSON Patch (RFC 6902). */
export interface Operation {
  readonly op: 'add';
  readonly path: string;
  readonly value: unknown;
}

const API_VERSION = 'admission.k8s.io/v1';

/**
 * Reads an AdmissionReview v1.
 *
 * @throws OperatorError `REVIEW_MALFORMED` that names the field. Without a uid there is nobody to answer.
 * @see https://kubernetes.io/docs/reference/config-api/apiserver-admission.v1/
 */
export function readReview(body: unknown): AdmissionRequest {
  if (!isObject(body)) throw malformed('body', body, 'a JSON object');
  if (body.kind !== 'AdmissionReview') throw malformed('kind', body.kind, '"AdmissionReview"');
  if (body.apiVersion !== API_VERSION) throw malformed('apiVersion', body.apiVersion, `"${API_VERSION}"`);
  const { request } = body;
  if (!isObject(request)) throw malformed('request', request, 'an object');
  if (typeof request.uid !== 'string' || request.uid === '') throw malformed('request.uid', request.uid, 'a text');
  return {
    uid: request.uid,
    resource: resourceOf(request),
    operation: textOf(request, 'operation'),
    namespace: textOf(request, 'namespace'),
    name: textOf(request, 'name'),
    isDryRun: request.dryRun === true,
    object: request.object,
    oldObject: request.oldObject,
  };
}

const textOf = (request: JsonObject, field: string): string => {
  const value = request[field];
  if (value === undefined || value === null) return '';
  if (typeof value !== 'string') throw malformed(`request.${field}`, value, 'a text');
  return value;
};

function resourceOf(request: JsonObject): string {
  const { group, version, resource } = asObject(request.resource);
  const subResource = textOf(request, 'subResource');
  // Only texts: joining anything else would call a toString that the client wrote.
  return [group, version, resource, ...(subResource ? [subResource] : [])]
    .map((part) => (typeof part === 'string' ? part : ''))
    .join('/');
}

const malformed = (field: string, found: unknown, allowed: string): OperatorError =>
  new OperatorError('REVIEW_MALFORMED', `${field}: found ${describeValue(found)}; allowed is ${allowed}`);

/** The envelope of an answer. */
export const toReview = (response: object) => ({ apiVersion: API_VERSION, kind: 'AdmissionReview', response });
