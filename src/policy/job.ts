import { asObject, isObject, type JsonObject, objectsIn } from '../lib/json.ts';
import { invalidValue } from '../lib/text.ts';

/** The API server's default for a Job that has no `backoffLimit` (batch/v1). */
export const DEFAULT_BACKOFF_LIMIT = 6;

/** The largest `backoffLimit`, which is an int32. */
export const LARGEST_BACKOFF_LIMIT = 2_147_483_647;

/** The parts of a batch/v1 Job that a decision reads. */
export interface Job {
  readonly containers: readonly JsonObject[];
  /** Empty if the API server has not generated the name yet. */
  readonly name: string;
  readonly labels: JsonObject;
  readonly annotations: JsonObject;
  readonly serviceAccountName: string | undefined;
  /** The backoffLimit of the Job. If the Job has none, `undefined` or, contrary to the type, null. */
  readonly backoffLimit: number | undefined;
  readonly restartPolicy: string | undefined;
  /** The spec of the Job. Only a rule that matches makes its other fields necessary. */
  readonly spec: JsonObject;
  /** The spec of the Pod template, as above. */
  readonly podSpec: JsonObject;
}

/** The path of the Pod's spec in an admission request, for CEL and for error messages. */
export const POD = 'object.spec.template.spec';

/**
 * Returns the parts of a Job that a decision needs, or an error text with the path and the value of the invalid
 * field.
 */
export function readJob(object: unknown): Job | { readonly problem: string } {
  if (!isObject(object)) return unreadable('object', object, 'a Job');
  if (object.kind !== 'Job') return unreadable('object.kind', object.kind, '"Job"');
  const { spec } = object;
  if (!isObject(spec)) return unreadable('object.spec', spec, 'an object');
  const { template, backoffLimit } = spec;
  if (!isObject(template)) return unreadable('object.spec.template', template, 'an object');
  const podSpec = template.spec;
  if (!isObject(podSpec)) return unreadable(POD, podSpec, 'an object');
  const { serviceAccountName, restartPolicy } = podSpec;
  // A client in Go encodes a nil list of containers as null, so null counts as an empty list. The API server refuses a
  // Job without containers after admission.
  const containers = podSpec.containers === null ? [] : podSpec.containers;
  if (!Array.isArray(containers) || !containers.every(isObject)) {
    return unreadable(`${POD}.containers`, containers, 'a list of objects');
  }
  if (!isAbsentOr('string', serviceAccountName)) {
    return unreadable(`${POD}.serviceAccountName`, serviceAccountName, 'a string');
  }
  if (!isAbsentOr('string', restartPolicy)) return unreadable(`${POD}.restartPolicy`, restartPolicy, 'a string');
  if (!isAbsentOr('number', backoffLimit)) return unreadable('object.spec.backoffLimit', backoffLimit, 'a number');
  // A malformed name, label or annotation counts as absent here. The API server refuses it after admission.
  const { name, labels, annotations } = asObject(object.metadata);
  return {
    containers,
    name: typeof name === 'string' ? name : '',
    labels: asObject(labels),
    annotations: asObject(annotations),
    serviceAccountName: serviceAccountName as string | undefined,
    backoffLimit: backoffLimit as number | undefined,
    restartPolicy: restartPolicy as string | undefined,
    spec,
    podSpec,
  };
}

/** Returns whether a field is absent or has the type. A null field is absent for the API server. */
const isAbsentOr = (type: 'string' | 'number', value: unknown): boolean =>
  value === undefined || value === null || typeof value === type;

const unreadable = (field: string, found: unknown, allowed: string) => ({
  problem: `${field}: ${invalidValue(found, allowed)}`,
});

/** Returns whether a stored Job is being deleted. */
export const isBeingDeleted = (stored: unknown): boolean =>
  typeof asObject(asObject(stored).metadata).deletionTimestamp === 'string';

/** Returns whether a stored Job has succeeded or failed. */
export const isFinished = (stored: unknown): boolean =>
  objectsIn(asObject(asObject(stored).status).conditions).some(
    ({ type, status }) => (type === 'Complete' || type === 'Failed') && status === 'True',
  );
