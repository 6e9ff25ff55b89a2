import fc from 'fast-check';
import { z } from 'zod';
import type { Labels } from '../../../src/policy/policy.ts';

/** Words of which generated Jobs and patterns consist. A repeated word occurs more often. */
const WORDS = [
  ...['team-a', 'team*', '*-a', 't*m-*', 'other', 'prod', 'a.b', '*', 'team-a', '*'],
  ...['oss-bucket-apply', 'oss-bucket-destroy', '*-apply', '*-destroy', 'o*t*y', 'gen*', 'n*.batch-*', 'o*'],
  ...['tf-executor-service-account', 'terraform-executor', 'default', 'report', 'proxy', 'x', ''],
  ...['tf-executor-service-account', 'terraform-executor'],
];
const LABELS: readonly Labels[] = [
  { app: 'x' },
  { app: '' },
  { constructor: 'x' },
  { app: 'x', 'example.com/tier': 'a.b_c' },
  { app: 'y' },
];

/**
 * Generates any value that a schema accepts, so that a new field of a schema is in the samples of each test. Texts come
 * from WORDS, and labels from LABELS. Throws for a kind of schema that this function does not know.
 */
export function fromSchema(schema: z.ZodType): fc.Arbitrary<unknown> {
  if (schema instanceof z.ZodOptional) return fc.option(fromSchema(schema.unwrap() as z.ZodType), { nil: undefined });
  return kindOf(schema).filter((value) => schema.safeParse(value).success);
}

function kindOf(schema: z.ZodType): fc.Arbitrary<unknown> {
  if (schema instanceof z.ZodDefault) return fromSchema(schema.unwrap() as z.ZodType);
  if (schema instanceof z.ZodString) return fc.constantFrom(...WORDS.filter((word) => schema.safeParse(word).success));
  if (schema instanceof z.ZodNumber) return fc.constantFrom(0, 0, 1, 3, 6, 2_147_483_647);
  if (schema instanceof z.ZodEnum) return fc.constantFrom(...schema.options);
  if (schema instanceof z.ZodArray)
    return fc.array(fromSchema(schema.element as z.ZodType), { minLength: 1, maxLength: 3 });
  if (schema instanceof z.ZodRecord) return fc.constantFrom(...LABELS);
  if (schema instanceof z.ZodObject) return fc.record(mapValues(schema.shape, fromSchema)).map(withoutUndefined);
  throw new Error(`no samples for a schema of ${schema.constructor.name}`);
}

const mapValues = <T, R>(fields: Readonly<Record<string, T>>, map: (value: T) => R): Record<string, R> =>
  Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, map(value)]));

const withoutUndefined = (fields: object): object =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
