import assert from 'node:assert/strict';
import type { Json } from '../support/builders/a-job.ts';

/**
 * The expected response to a request body under the built-in policy, computed without the code of the endpoint. An
 * array contains the fields that the JSON patch of the response must set, besides the mark.
 */
export type Expected = 'malformed' | 'refused' | 'unchanged' | readonly Path[];

export type Path = '/spec/backoffLimit' | '/spec/template/spec/restartPolicy';

const wanted: Readonly<Record<Path, unknown>> = {
  '/spec/backoffLimit': 0,
  '/spec/template/spec/restartPolicy': 'Never',
};

export function expectedOf(body: Buffer): Expected {
  const review = parsed(body);
  const request = review?.request;
  const texts = ['operation', 'namespace', 'name', 'subResource'];
  const isReview =
    isMap(review) &&
    review.kind === 'AdmissionReview' &&
    review.apiVersion === 'admission.k8s.io/v1' &&
    isMap(request) &&
    typeof request.uid === 'string' &&
    request.uid.length > 0 &&
    texts.every((field) => isUnset(request[field]) || typeof request[field] === 'string');
  return isReview ? expectedOfRequest(request) : 'malformed';
}

function expectedOfRequest({ resource, subResource, operation, object, oldObject }: Json): Expected {
  const isAboutJobs =
    resource?.group === 'batch' && resource.version === 'v1' && resource.resource === 'jobs' && !subResource;
  if (!isAboutJobs || !['CREATE', 'UPDATE'].includes(operation)) return 'unchanged';
  if (!isJob(object)) return 'refused';
  const paths = isOurs(object) ? pathsFor(operation, object, oldObject) : [];
  return paths.length === 0 ? 'unchanged' : paths;
}

function pathsFor(operation: string, object: Json, oldObject: Json): Path[] {
  const isOptedOut = own(own(object.metadata, 'annotations'), 'terraform.job.kb.io/keep-retries') === 'true';
  const mayChange = operation === 'CREATE' ? !isOptedOut : podIn(oldObject)?.restartPolicy === 'Never';
  const active = own(own(oldObject, 'status'), 'active');
  const stored = own(own(oldObject, 'spec'), 'backoffLimit');
  const isRunning = operation === 'UPDATE' && typeof active === 'number' && active > 0 && typeof stored === 'number';
  const isRaised = (object.spec.backoffLimit ?? 6) > Math.max(0, isRunning ? stored : 0);
  const isRestarted = podIn(object).restartPolicy === 'OnFailure' && !keepsRestartPolicy(object.spec);
  return [
    ...(!isOptedOut && !isDeleted(oldObject) && isRaised ? (['/spec/backoffLimit'] as const) : []),
    ...(mayChange && isRestarted ? (['/spec/template/spec/restartPolicy'] as const) : []),
  ];
}

function keepsRestartPolicy({ podFailurePolicy, template }: Json): boolean {
  const { containers, initContainers } = template.spec;
  const listed = Array.isArray(initContainers) ? initContainers.filter(isMap) : [];
  return (
    !isUnset(podFailurePolicy) ||
    [...(containers ?? []), ...listed].some(
      ({ restartPolicyRules }: Json) => Array.isArray(restartPolicyRules) && restartPolicyRules.length > 0,
    ) ||
    (containers ?? []).some(({ restartPolicy = null }: Json) => ![null, 'Never'].includes(restartPolicy))
  );
}

const podIn = (job: Json): Json => own(own(own(job, 'spec'), 'template'), 'spec');

function isOurs({ spec }: Json): boolean {
  const { serviceAccountName, containers } = spec.template.spec;
  return (
    serviceAccountName === 'tf-executor-service-account' &&
    (containers ?? []).some(({ name }: Json) => name === 'terraform-executor')
  );
}

/** Returns whether the object is a Job, by the fields that a decision reads. */
function isJob(object: Json): boolean {
  const podSpec = object?.spec?.template?.spec;
  return (
    [object, object?.spec, object?.spec?.template, podSpec].every(isMap) &&
    object.kind === 'Job' &&
    (podSpec.containers === null || (Array.isArray(podSpec.containers) && podSpec.containers.every(isMap))) &&
    [podSpec.serviceAccountName, podSpec.restartPolicy].every((value) => isUnset(value) || typeof value === 'string') &&
    (isUnset(object.spec.backoffLimit) || typeof object.spec.backoffLimit === 'number')
  );
}

const isDeleted = (stored: Json): boolean => typeof own(own(stored, 'metadata'), 'deletionTimestamp') === 'string';

const isMap = (value: unknown): boolean => typeof value === 'object' && value !== null && !Array.isArray(value);
const isUnset = (value: unknown): boolean => value === undefined || value === null;
const own = (value: Json, name: string): Json => (isMap(value) && Object.hasOwn(value, name) ? value[name] : undefined);

function parsed(body: Buffer): Json {
  try {
    return JSON.parse(withoutManagedFields(body.toString('utf8')));
  } catch {
    return undefined;
  }
}

const MANAGED_FIELDS = '"managedFields":[';

/**
 * Removes the items of each `managedFields` array from the JSON text. The endpoint does not parse these items, so they
 * can be invalid JSON.
 */
function withoutManagedFields(text: string): string {
  const at = text.indexOf(MANAGED_FIELDS);
  if (at === -1) return text;
  const list = text.slice(at + MANAGED_FIELDS.length);
  const before = text.slice(0, at + MANAGED_FIELDS.length);
  let depth = 1;
  for (const { 0: token, index } of list.matchAll(/"(?:[^"\\]|\\[\s\S])*"?|[[\]]/g)) {
    if (token === '[') depth += 1;
    if (token === ']') depth -= 1;
    if (depth === 0) return before + withoutManagedFields(list.slice(index));
  }
  return before;
}

/** The documented limits of a request body. */
export const isTooLarge = (body: Buffer): boolean => body.length > 20 * 1024 * 1024;

/** Throws if the response to a request body differs from the expected one. `text` is the response body. */
export function assertAnswer(body: Buffer, { status, text }: { readonly status: number; readonly text: string }): void {
  const expected = isTooLarge(body) ? 'too large' : expectedOf(body);
  const wantedStatus = { 'too large': 413, malformed: 400 }[String(expected)] ?? 200;
  assert.equal(status, wantedStatus, text);
  if (wantedStatus !== 200 || expected === 'too large') return;
  const { apiVersion, kind, response } = JSON.parse(text);
  assert.deepEqual([apiVersion, kind], ['admission.k8s.io/v1', 'AdmissionReview']);
  assert.equal(response.uid, parsed(body).request.uid);
  assert.equal(response.allowed, expected !== 'refused');
  assert.deepEqual(patchIn(response), pathsOf(expected));
  if (pathsOf(expected).length > 0) assertMarked(response, parsed(body).request.object);
}

const MARK = 'terraform.job.kb.io/capped';
function assertMarked(response: Json, object: Json): void {
  const { metadata, spec } = object;
  const changed = patchIn(response);
  const before = {
    rule: 'terraform',
    backoffLimit: changed.includes('/spec/backoffLimit') ? (spec.backoffLimit ?? undefined) : undefined,
    restartPolicy: changed.includes('/spec/template/spec/restartPolicy') ? 'OnFailure' : undefined,
  };
  const annotations = own(metadata, 'annotations');
  const isMarked = isMap(metadata) && (own(annotations, MARK) ?? '') === '' && isRoomIn(annotations);
  const mark = JSON.stringify(before);
  const added = isMap(annotations)
    ? { path: '/metadata/annotations/terraform.job.kb.io~1capped', value: mark }
    : { path: '/metadata/annotations', value: { [MARK]: mark } };
  assert.deepEqual(operationsOf(response).filter(isOfMark), isMarked ? [{ op: 'add', ...added }] : []);
}

const isRoomIn = (annotations: Json): boolean =>
  Object.keys(isMap(annotations) ? annotations : {}).length <= 1_000 && bytesOf(annotations) <= 261_888;
const bytesOf = (annotations: Json): number =>
  Object.entries(isMap(annotations) ? annotations : {})
    .flat()
    .reduce((sum: number, text) => sum + (typeof text === 'string' ? Buffer.from(text).length : 0), 0);
const isOfMark = ({ path }: Json): boolean => path.startsWith('/metadata/annotations');
const operationsOf = ({ patch }: Json): Json[] => JSON.parse(Buffer.from(patch, 'base64').toString('utf8'));

const pathsOf = (expected: Expected): readonly Path[] => (typeof expected === 'string' ? [] : [...expected].sort());

/** Returns the sorted paths that the patch of a response sets, besides the mark. Throws if a value differs from the built-in policy. */
export function patchIn(response: Json): readonly Path[] {
  if (response.patch === undefined) return [];
  assert.equal(response.patchType, 'JSONPatch');
  const operations = operationsOf(response).filter((operation) => !isOfMark(operation));
  for (const { op, path, value } of operations) {
    assert.equal(op, 'add');
    assert.ok(Object.hasOwn(wanted, path), `a patch of ${path}`);
    assert.equal(value, wanted[path as Path]);
  }
  return operations.map(({ path }) => path).sort();
}
