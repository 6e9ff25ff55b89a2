import fc from 'fast-check';
import { DEFAULT_BACKOFF_LIMIT } from '../../../src/policy/job.ts';
import { executor, type Json } from './a-job.ts';
import { anUpdate, aReview } from './a-review.ts';

/** Fields of a JSON object in order: a name and a value as JSON text. */
type Fields = readonly (readonly [name: string, value: string])[];

/** Parts of a generated Job of terraform-controller. Values are JSON text, so that no digit of a number is lost. */
export interface Sketch {
  /** `undefined` omits the field. */
  readonly backoffLimit: string | undefined;
  readonly restartPolicy: string | undefined;
  /** The restartPolicy of the stored Job of an UPDATE; `undefined` for the same as in the new Job. */
  readonly storedPolicy: string | undefined;
  /** The backoffLimit of the stored Job of an UPDATE, while it has a Pod; `undefined` if it has none. */
  readonly limitOfRun: number | undefined;
  readonly podFailurePolicy: string | undefined;
  readonly containers: readonly string[];
  /** Random fields that Kubernetes does not know. */
  readonly extras: { readonly job: Fields; readonly spec: Fields; readonly template: Fields; readonly podSpec: Fields };
}

/** Field names that every JavaScript object inherits, and other names that break a careless copy. */
const treacherousNames = [
  '__proto__',
  'constructor',
  'prototype',
  'toString',
  'toJSON',
  'hasOwnProperty',
  'length',
  '',
  '0',
  'a/b~c',
];
const knownNames = [
  ...['kind', 'spec', 'template', 'containers', 'initContainers', 'serviceAccountName', 'backoffLimit'],
  ...['restartPolicy', 'restartPolicyRules', 'podFailurePolicy'],
];

const anyText = fc.string({ unit: 'binary' });
const anyNumber = fc.oneof(fc.bigInt().map(String), fc.double({ noNaN: true, noDefaultInfinity: true }).map(String));
/** Generates the text of any JSON value. */
export const anyJson = fc.oneof(
  fc.json({ stringUnit: 'binary' }),
  anyNumber,
  anyText.map((text) => JSON.stringify(text)),
);
const anyName = fc.oneof(fc.constantFrom(...treacherousNames), anyText).filter((name) => !knownNames.includes(name));
const anyFields: fc.Arbitrary<Fields> = fc.uniqueArray(fc.tuple(anyName, anyJson), {
  maxLength: 4,
  selector: ([name]) => name,
});

const anyExecutor = fc.constantFrom(
  ...Array(6).fill(executor),
  ...['Never', 'OnFailure', 'Always', null].map((restartPolicy) => ({ ...executor, restartPolicy })),
  ...[[{}], [], null].map((restartPolicyRules) => ({ ...executor, restartPolicy: 'Never', restartPolicyRules })),
);

export const anySketch: fc.Arbitrary<Sketch> = fc.record({
  backoffLimit: fc.oneof(fc.constantFrom(undefined, 'null', '0', '1', '2147483647', '1e400'), anyNumber),
  restartPolicy: fc.oneof(
    fc.constantFrom('"OnFailure"', '"OnFailure"', undefined, 'null', '"Never"', '"OnFailure"', '"Always"'),
    anyText.map((text) => JSON.stringify(text)),
  ),
  storedPolicy: fc.constantFrom(undefined, '"Never"', '"Never"', '"OnFailure"', 'null', '{}'),
  limitOfRun: fc.constantFrom(undefined, undefined, 0, 1, 5, 2147483647),
  podFailurePolicy: fc.constantFrom(undefined, undefined, undefined, 'null', '{}', '{"rules":[{"action":"Ignore"}]}'),
  containers: fc
    .tuple(fc.array(anyFields.map(objectText)), anyExecutor, fc.array(anyFields.map(objectText)))
    .map(([before, one, after]) => [...before, JSON.stringify(one), ...after]),
  extras: fc.record({ job: anyFields, spec: anyFields, template: anyFields, podSpec: anyFields }),
});

/** Returns the Job as the JSON text that a client could send. */
export function jobText({ backoffLimit, restartPolicy, podFailurePolicy, containers, extras }: Sketch): string {
  const podSpec = objectText([
    ['containers', `[${containers.join()}]`],
    ['serviceAccountName', '"tf-executor-service-account"'],
    ...extras.podSpec,
    ...optional('restartPolicy', restartPolicy),
  ]);
  const template = objectText([...extras.template, ['spec', podSpec]]);
  const spec = objectText([
    ['template', template],
    ...extras.spec,
    ...optional('podFailurePolicy', podFailurePolicy),
    ...optional('backoffLimit', backoffLimit),
  ]);
  return objectText([['kind', '"Job"'], ...extras.job, ['spec', spec]]);
}

/** Returns the backoffLimit that a rule with this limit wants for the Job, computed without the code of the policy. */
export function wantedLimit(limit: number, sketch: Sketch, operation: 'CREATE' | 'UPDATE'): string | undefined {
  const kept = operation === 'UPDATE' ? (sketch.limitOfRun ?? 0) : 0;
  const number = Number(sketch.backoffLimit);
  // `aReview` serializes a number that is too large as null, which counts as absent.
  const isSaid = sketch.backoffLimit !== 'null' && Number.isFinite(number);
  const most = Math.max(limit, kept);
  return (isSaid ? number : DEFAULT_BACKOFF_LIMIT) > most ? String(most) : sketch.backoffLimit;
}

/** Returns the restartPolicy that a rule with `Never` wants for the Job, computed without the code of the policy. */
export function wantedRestartPolicy(sketch: Sketch, operation: 'CREATE' | 'UPDATE'): string | undefined {
  const { restartPolicy, storedPolicy = restartPolicy, podFailurePolicy = 'null', containers } = sketch;
  const isOwn = /"restartPolicy":"(?!Never")|"restartPolicyRules":\[{/;
  const isKept =
    podFailurePolicy !== 'null' || containers.some((text) => text.includes(executor.name) && isOwn.test(text));
  const isOpen = operation === 'CREATE' || storedPolicy === '"Never"';
  return restartPolicy === '"OnFailure"' && isOpen && !isKept ? '"Never"' : restartPolicy;
}

/** Returns the AdmissionReview of a request for the Job. */
export function reviewOf(sketch: Sketch, operation: 'CREATE' | 'UPDATE'): Json {
  const object = JSON.parse(jobText(sketch));
  if (operation === 'CREATE') return aReview({ object });
  const { storedPolicy = sketch.restartPolicy, limitOfRun } = sketch;
  const stored = JSON.parse(jobText({ ...sketch, restartPolicy: storedPolicy }));
  const isRunning = limitOfRun !== undefined;
  const oldObject = isRunning
    ? { ...stored, spec: { ...stored.spec, backoffLimit: limitOfRun }, status: { active: 1 } }
    : stored;
  return anUpdate({ object, oldObject });
}

function objectText(fields: Fields): string {
  return `{${fields.map(([name, value]) => `${JSON.stringify(name)}:${value}`).join()}}`;
}

const optional = (name: string, value: string | undefined): Fields => (value === undefined ? [] : [[name, value]]);

/** Returns the path of each value inside a JSON value, as a list of names. */
export function pathsOf(value: Json, path: readonly string[] = []): (readonly string[])[] {
  if (typeof value !== 'object' || value === null) return [path];
  return [path, ...Object.keys(value).flatMap((name) => pathsOf(value[name], [...path, name]))];
}

/** Returns a copy with a different value at one path. */
export function withValue(json: Json, [name, ...rest]: readonly string[], value: unknown): Json {
  if (name === undefined) return value;
  const copy = Array.isArray(json) ? [...json] : { ...json };
  copy[name] = withValue(json[name], rest, value);
  return copy;
}
