import fc from 'fast-check';
import { executor, type Json } from './a-job.ts';

/** Fields of a JSON object in order: a name and a value as JSON text. */
type Fields = readonly (readonly [name: string, value: string])[];

/** Parts of a generated Job of terraform-controller. Values are JSON text, so that no digit of a number is lost. */
export interface Sketch {
  /** `undefined` omits the field. */
  readonly backoffLimit: string | undefined;
  readonly restartPolicy: string | undefined;
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
const knownNames = ['kind', 'spec', 'template', 'containers', 'serviceAccountName', 'backoffLimit', 'restartPolicy'];

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

export const anySketch: fc.Arbitrary<Sketch> = fc.record({
  backoffLimit: fc.oneof(fc.constantFrom(undefined, 'null', '0', '1', '2147483647', '1e400'), anyNumber),
  restartPolicy: fc.oneof(
    fc.constantFrom(undefined, 'null', '"Never"', '"OnFailure"', '"Always"'),
    anyText.map((text) => JSON.stringify(text)),
  ),
  containers: fc
    .tuple(fc.array(anyFields.map(objectText)), fc.array(anyFields.map(objectText)))
    .map(([before, after]) => [...before, JSON.stringify(executor), ...after]),
  extras: fc.record({ job: anyFields, spec: anyFields, template: anyFields, podSpec: anyFields }),
});

/** Returns the Job as the JSON text that a client could send. */
export function jobText({ backoffLimit, restartPolicy, containers, extras }: Sketch): string {
  const podSpec = objectText([
    ['containers', `[${containers.join()}]`],
    ['serviceAccountName', '"tf-executor-service-account"'],
    ...extras.podSpec,
    ...optional('restartPolicy', restartPolicy),
  ]);
  const template = objectText([...extras.template, ['spec', podSpec]]);
  const spec = objectText([['template', template], ...extras.spec, ...optional('backoffLimit', backoffLimit)]);
  return objectText([['kind', '"Job"'], ...extras.job, ['spec', spec]]);
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
