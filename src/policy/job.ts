import { asObject, isObject, type JsonObject } from '../lib/json.ts';
import { describeValue } from '../lib/text.ts';

/** The API server's default for a Job that has no `backoffLimit` (batch/v1). */
export const DEFAULT_BACKOFF_LIMIT = 6;

/** `backoffLimit` is an int32. */
export const LARGEST_BACKOFF_LIMIT = 2_147_483_647;

/** The parts of a batch/v1 Job that a decision reads. */
export interface Job {
  readonly containers: readonly JsonObject[];
  /** Empty where it is still to be generated. */
  readonly name: string;
  readonly labels: JsonObject;
  readonly annotations: JsonObject;
  readonly serviceAccountName: string | undefined;
  /** `undefined` where the Job does not say. */
  readonly backoffLimit: number | undefined;
  readonly restartPolicy: string | undefined;
}

/** The path of the Pod's spec in a request, as CEL and error messages have it. */
export const POD = 'object.spec.template.spec';

/** Returns a Job, or the field that cannot be read, what was found and what is allowed. Reads only what a decision needs. */
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
  // Go writes null for an empty list; that a Job has none is for the API server to refuse, in its own words.
  const containers = podSpec.containers === null ? [] : podSpec.containers;
  if (!Array.isArray(containers) || !containers.every(isObject)) {
    return unreadable(`${POD}.containers`, containers, 'a list of objects');
  }
  if (!isAbsentOr('string', serviceAccountName)) {
    return unreadable(`${POD}.serviceAccountName`, serviceAccountName, 'a text');
  }
  if (!isAbsentOr('string', restartPolicy)) return unreadable(`${POD}.restartPolicy`, restartPolicy, 'a text');
  if (!isAbsentOr('number', backoffLimit)) return unreadable('object.spec.backoffLimit', backoffLimit, 'a number');
  // A malformed name, label or annotation is for the API server to refuse. No rule that asks for it matches.
  const { name, labels, annotations } = asObject(object.metadata);
  return {
    containers,
    name: typeof name === 'string' ? name : '',
    labels: asObject(labels),
    annotations: asObject(annotations),
    serviceAccountName: serviceAccountName as string | undefined,
    backoffLimit: backoffLimit as number | undefined,
    restartPolicy: restartPolicy as string | undefined,
  };
}

/** `null` is how JSON says "not set" to the API server. */
const isAbsentOr = (type: 'string' | 'number', value: unknown): boolean =>
  value === undefined || value === null || typeof value === type;

const unreadable = (field: string, found: unknown, allowed: string) => ({
  problem: `${field}: found ${describeValue(found)}; allowed is ${allowed}`,
});

/** Whether a stored Job has ended or is on its way out: there is nothing left to be run once. */
export function isOver(stored: unknown): boolean {
  const { metadata, status } = asObject(stored);
  if (typeof asObject(metadata).deletionTimestamp === 'string') return true;
  const { conditions } = asObject(status);
  if (!Array.isArray(conditions)) return false;
  return conditions
    .map(asObject)
    .some((condition) => (condition.type === 'Complete' || condition.type === 'Failed') && condition.status === 'True');
}
