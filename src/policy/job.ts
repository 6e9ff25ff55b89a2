import { isObject, type JsonObject } from '../lib/json.ts';
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

/** Why an object cannot be read as a Job: the field, what was found, what is allowed. */
export interface Unreadable {
  readonly problem: string;
}

/** Reads a Job, or says which field keeps it from being read. Fields that no decision needs are not looked at. */
export function readJob(object: unknown): Job | Unreadable {
  if (!isObject(object)) return unreadable('object', object, 'a Job');
  if (object.kind !== 'Job') return unreadable('object.kind', object.kind, '"Job"');
  const { spec } = object;
  if (!isObject(spec)) return unreadable('object.spec', spec, 'an object');
  const { template, backoffLimit } = spec;
  if (!isObject(template)) return unreadable('object.spec.template', template, 'an object');
  const podSpec = template.spec;
  if (!isObject(podSpec)) return unreadable('object.spec.template.spec', podSpec, 'an object');
  const { serviceAccountName, restartPolicy } = podSpec;
  // Go writes null for an empty list; that a Job has none is for the API server to refuse, in its own words.
  const containers = podSpec.containers === null ? [] : podSpec.containers;
  if (!Array.isArray(containers) || !containers.every(isObject)) {
    return unreadable('object.spec.template.spec.containers', containers, 'a list of objects');
  }
  if (!isAbsentOr('string', serviceAccountName)) {
    return unreadable('object.spec.template.spec.serviceAccountName', serviceAccountName, 'a text');
  }
  if (!isAbsentOr('string', restartPolicy)) {
    return unreadable('object.spec.template.spec.restartPolicy', restartPolicy, 'a text');
  }
  if (!isAbsentOr('number', backoffLimit)) return unreadable('object.spec.backoffLimit', backoffLimit, 'a number');
  return {
    containers,
    ...readMetadata(object.metadata),
    serviceAccountName: serviceAccountName as string | undefined,
    backoffLimit: backoffLimit as number | undefined,
    restartPolicy: restartPolicy as string | undefined,
  };
}

/** What is not as it should be is for the API server to refuse: a rule that asks for it does not match. */
function readMetadata(metadata: unknown): Pick<Job, 'name' | 'labels' | 'annotations'> {
  const { name, labels, annotations } = isObject(metadata) ? metadata : {};
  return {
    name: typeof name === 'string' ? name : '',
    labels: isObject(labels) ? labels : {},
    annotations: isObject(annotations) ? annotations : {},
  };
}

/** `null` is how JSON says "not set" to the API server. */
const isAbsentOr = (type: 'string' | 'number', value: unknown): boolean =>
  value === undefined || value === null || typeof value === type;

const unreadable = (field: string, found: unknown, allowed: string): Unreadable => ({
  problem: `${field}: found ${describeValue(found)}; allowed is ${allowed}`,
});

/** Whether a stored Job has ended or is on its way out: there is nothing left to be run once. */
export function isOver(stored: unknown): boolean {
  if (!isObject(stored)) return false;
  const { metadata, status } = stored;
  if (isObject(metadata) && typeof metadata.deletionTimestamp === 'string') return true;
  const conditions = isObject(status) && Array.isArray(status.conditions) ? status.conditions : [];
  return conditions.some(
    (condition) =>
      isObject(condition) &&
      (condition.type === 'Complete' || condition.type === 'Failed') &&
      condition.status === 'True',
  );
}
