import { OperatorError } from '../lib/errors.ts';
import { asObject, isObject, type JsonObject } from '../lib/json.ts';
import { invalidValue } from '../lib/text.ts';
import type { JobWrite } from '../policy/decide.ts';

/** The fields of an AdmissionReview's request that the endpoint reads. */
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
 * Returns the request of an AdmissionReview v1. A review without a uid is malformed, because the response must repeat
 * the uid.
 *
 * @throws OperatorError `REVIEW_MALFORMED` with the name of the field.
 * @see https://kubernetes.io/docs/reference/config-api/apiserver-admission.v1/
 */
export function readReview(body: unknown): AdmissionRequest {
  if (!isObject(body)) throw malformed('body', body, 'a JSON object');
  if (body.kind !== 'AdmissionReview') throw malformed('kind', body.kind, '"AdmissionReview"');
  if (body.apiVersion !== API_VERSION) throw malformed('apiVersion', body.apiVersion, `"${API_VERSION}"`);
  const { request } = body;
  if (!isObject(request)) throw malformed('request', request, 'an object');
  if (typeof request.uid !== 'string' || request.uid === '') throw malformed('request.uid', request.uid, 'a string');
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
  if (typeof value !== 'string') throw malformed(`request.${field}`, value, 'a string');
  return value;
};

function resourceOf(request: JsonObject): string {
  const { group, version, resource } = asObject(request.resource);
  const subResource = textOf(request, 'subResource');
  // Join only strings, because a join would call the `toString` of an object, which the client can set.
  return [group, version, resource, ...(subResource ? [subResource] : [])]
    .map((part) => (typeof part === 'string' ? part : ''))
    .join('/');
}

const malformed = (field: string, found: unknown, allowed: string): OperatorError =>
  new OperatorError('REVIEW_MALFORMED', `${field}: ${invalidValue(found, allowed)}`);

/** Returns the AdmissionReview that holds a response. */
export const toReview = (response: object) => ({ apiVersion: API_VERSION, kind: 'AdmissionReview', response });
