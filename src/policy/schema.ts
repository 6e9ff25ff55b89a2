import { z } from 'zod';
import { dnsLabel, dnsSubdomain, type TextRule } from '../lib/dns-names.ts';
import { LARGEST_BACKOFF_LIMIT } from './job.ts';

// zod would otherwise compile its checks with `new Function`, which a program that decides about admission does not need.
z.config({ jitless: true });

/** Each error text says what is allowed; `parsePolicy` adds what was found. */
const text = ({ pattern, longest, allowed }: TextRule) =>
  z.string({ error: allowed }).max(longest, { error: allowed }).regex(pattern, { error: allowed });

const label = text(dnsLabel);
const subdomain = text(dnsSubdomain());
const pattern = text({
  pattern: /^[-a-z0-9.*]+$/,
  longest: 253,
  allowed: 'a name or a pattern: at most 253 of a-z, 0-9, "-", "." and "*", which stands for any text',
});

/** The expressions of 32 rules must fit into a registration. */
const MOST_ITEMS = 100;
const listOf = <Item extends z.ZodType>(item: Item, allowed: string) =>
  z.array(item, { error: allowed }).min(1, { error: allowed }).max(MOST_ITEMS, { error: allowed });

/** https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#syntax-and-character-set */
const labelName = text({
  pattern: /^([a-z0-9]([-a-z0-9.]*[a-z0-9])?\/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/,
  longest: 317,
  allowed: 'the name of a label',
});
const labelValue = text({
  pattern: /^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$/,
  longest: 63,
  allowed: 'the value of a label, a text: in quotes if need be',
});
const LABELS = `1 to ${MOST_ITEMS} labels, as Kubernetes has them: names and values`;
const labels = z.record(labelName, labelValue, { error: LABELS }).refine(
  (map) => {
    const { length } = Object.keys(map);
    return length >= 1 && length <= MOST_ITEMS;
  },
  { error: LABELS },
);

const VALUES = `1 to ${MOST_ITEMS} values for In and NotIn, none for Exists and DoesNotExist`;
const requirement = z
  .strictObject(
    {
      key: labelName,
      operator: z.enum(['In', 'NotIn', 'Exists', 'DoesNotExist'], { error: 'In, NotIn, Exists or DoesNotExist' }),
      values: z.array(labelValue, { error: VALUES }).max(MOST_ITEMS, { error: VALUES }).optional(),
    },
    { error: 'a requirement: key, operator and values' },
  )
  .refine(({ operator, values = [] }) => operator.endsWith('In') === values.length > 0, { error: VALUES });

const isAnyGiven = (fields: object): boolean => Object.values(fields).some((value) => value !== undefined);

export const selectorSchema = z
  .strictObject(
    {
      matchLabels: labels.optional(),
      matchExpressions: listOf(requirement, `a list of 1 to ${MOST_ITEMS} requirements`).optional(),
    },
    { error: 'a label selector: matchLabels, matchExpressions or both' },
  )
  .refine(isAnyGiven, { error: 'matchLabels, matchExpressions or both' })
  .describe(
    'the rules apply to Jobs in namespaces with such labels alone: a Kubernetes label selector; for the backstop it needs `manifests/components/namespaces`',
  );

/** The fields are checked in the order of `matchFields`. Each description is a row of the README and of the chart's schema. */
export const matchSchema = z.strictObject(
  {
    namespaces: listOf(pattern, `a list of 1 to ${MOST_ITEMS} names or patterns`)
      .optional()
      .describe('the namespace is one of these: names, or patterns in which `*` stands for any text'),
    jobName: pattern
      .optional()
      .describe('the name of the Job, or a pattern; one that is still to be generated counts as empty'),
    labels: labels.optional().describe('the Job has all of these labels'),
    serviceAccountName: subdomain.optional().describe('the Pod template runs as this service account'),
    containerName: label
      .optional()
      .describe('the Pod template has a container of this name; init containers do not count'),
  },
  { error: 'an object' },
);

const LIMIT = `a whole number from 0 to ${LARGEST_BACKOFF_LIMIT}`;
export const settingsSchema = z.strictObject(
  {
    backoffLimit: z
      .int({ error: LIMIT })
      .min(0, { error: LIMIT })
      .max(LARGEST_BACKOFF_LIMIT, { error: LIMIT })
      .describe(`\`spec.backoffLimit\` is lowered to this, never raised: 0 to ${LARGEST_BACKOFF_LIMIT}`),
    restartPolicy: z
      .enum(['Never', 'Keep'], { error: 'Never or Keep' })
      .default('Never')
      .describe('`Never` (the default) sets it, on CREATE only; `Keep` leaves it'),
  },
  { error: 'an object' },
);

const rule = z.strictObject(
  {
    name: label.describe('tells the rule in logs, warnings and audit annotations; a DNS label, no two the same'),
    match: matchSchema.refine(isAnyGiven, { error: 'at least one field; namespaces: ["*"] is every Job' }),
    set: settingsSchema,
  },
  { error: 'a rule: name, match and set' },
);

export const MOST_RULES = 32;
const RULES = `a list of 1 to ${MOST_RULES} rules`;
export const policySchema = z.strictObject(
  {
    namespaceSelector: selectorSchema.optional(),
    rules: z.array(rule, { error: RULES }).min(1, { error: RULES }).max(MOST_RULES, { error: RULES }),
  },
  { error: 'an object with the field rules' },
);

/** What a policy file holds after the check, with the defaults filled in. */
export type PolicyFile = z.infer<typeof policySchema>;

/** Every field of a policy with its meaning, for the table of the README. */
export const policyFields: readonly { readonly field: string; readonly meaning: string }[] = [
  ['namespaceSelector', selectorSchema] as const,
  ['name', rule.shape.name] as const,
  ...Object.entries(matchSchema.shape).map(([name, schema]) => [`match.${name}`, schema] as const),
  ...Object.entries(settingsSchema.shape).map(([name, schema]) => [`set.${name}`, schema] as const),
].map(([field, { description = '' }]) => ({ field, meaning: description }));

/** The names of the fields that an object at a path of a policy can have. */
export function fieldsAt(path: readonly PropertyKey[]): string[] {
  const schema = path.reduce<z.ZodType>((at, step) => schemaWithin(unwrapped(at), step), policySchema);
  const object = unwrapped(schema);
  return object instanceof z.ZodObject ? Object.keys(object.shape) : [];
}

function schemaWithin(schema: z.ZodType, step: PropertyKey): z.ZodType {
  if (schema instanceof z.ZodArray) return schema.element as z.ZodType;
  return schema instanceof z.ZodObject ? schema.shape[String(step)] : schema;
}

const unwrapped = (schema: z.ZodType): z.ZodType =>
  schema instanceof z.ZodOptional ? (schema.unwrap() as z.ZodType) : schema;

/** The policy file as JSON Schema (draft 7), for editors and the Helm chart, as far as JSON Schema can say it. */
export const policyJsonSchema = () => z.toJSONSchema(policySchema, { target: 'draft-7', io: 'input' });
