import * as z from 'zod';
import { dnsLabel, dnsSubdomain, type TextRule } from '../lib/dns-names.ts';
import { LARGEST_BACKOFF_LIMIT } from './job.ts';

// Without `jitless`, zod generates code with `new Function` to be faster. An admission webhook does not need this
// speed.
z.config({ jitless: true });

/**
 * Returns a schema for strings with the pattern and the maximum length of the TextRule. The error text of the schema
 * names only the allowed values. `parsePolicy` adds the invalid value.
 */
const text = ({ pattern, longest, allowed }: TextRule) =>
  z.string({ error: allowed }).max(longest, { error: allowed }).regex(pattern, { error: allowed });

/**
 * Returns a schema for objects with these fields and no others. The error text for an unknown field lists the valid
 * fields.
 */
const object = <Shape extends z.ZodRawShape>(shape: Shape, allowed: string) =>
  z.strictObject(shape, {
    error: ({ code }) => (code === 'unrecognized_keys' ? Object.keys(shape).join(', ') : allowed),
  });

const label = text(dnsLabel);
const subdomain = text(dnsSubdomain());
const pattern = text({
  pattern: /^[-a-z0-9.*]+$/,
  longest: 253,
  allowed: 'a name or a pattern: at most 253 of a-z, 0-9, "-", "." and "*", which stands for any text',
});

/** Maximum number of items in a list. `LONGEST_EXPRESSION` also limits the CEL expressions that the lists become. */
const MOST_ITEMS = 100;
const listOf = <Item extends z.ZodType>(item: Item, error: string, most = MOST_ITEMS) =>
  z.array(item, { error }).min(1, { error }).max(most, { error });

/**
 * The name of a label, with an optional prefix. Its syntax:
 * https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#syntax-and-character-set
 */
const labelName = text({
  pattern: /^([a-z0-9]([-a-z0-9.]*[a-z0-9])?\/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/,
  longest: 317,
  allowed: 'the name of a label',
});
const labelValue = text({
  pattern: /^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$/,
  longest: 63,
  allowed: 'the value of a label: a string, in quotes if YAML reads it as another type',
});
const isAnyGiven = (fields: object): boolean => Object.values(fields).some((value) => value !== undefined);

const LABELS = `1 to ${MOST_ITEMS} labels, with names and values that Kubernetes accepts`;
const labels = z
  .record(labelName, labelValue, { error: LABELS })
  .refine((map) => isAnyGiven(map) && Object.keys(map).length <= MOST_ITEMS, { error: LABELS })
  .meta({ minProperties: 1, maxProperties: MOST_ITEMS });

const VALUES = `1 to ${MOST_ITEMS} values for In and NotIn, none for Exists and DoesNotExist`;
const requirement = object(
  {
    key: labelName,
    operator: z.enum(['In', 'NotIn', 'Exists', 'DoesNotExist'], { error: 'In, NotIn, Exists or DoesNotExist' }),
    values: z.array(labelValue, { error: VALUES }).max(MOST_ITEMS, { error: VALUES }).optional(),
  },
  'a requirement: key, operator and values',
)
  .refine(({ operator, values = [] }) => operator.endsWith('In') === values.length > 0, { error: VALUES })
  .meta({
    if: { properties: { operator: { pattern: 'In$' } } },
    // biome-ignore lint/suspicious/noThenProperty: a keyword of JSON Schema.
    then: { required: ['values'], properties: { values: { minItems: 1 } } },
    else: { properties: { values: { maxItems: 0 } } },
  });

export const selectorSchema = object(
  {
    matchLabels: labels.optional(),
    matchExpressions: listOf(requirement, `a list of 1 to ${MOST_ITEMS} requirements`).optional(),
  },
  'a label selector: matchLabels, matchExpressions or both',
)
  .refine(isAnyGiven, { error: 'an object with matchLabels, matchExpressions or both' })
  .meta({ minProperties: 1 })
  .describe(
    'a Kubernetes label selector: the rules apply only to Jobs in namespaces with these labels. The backstop needs `manifests/components/namespaces` for it, or with `--backstop-namespaces` the same right in each Role',
  );

/**
 * The schema of the field `match` of a rule. The reference documentation and the values schema of the Helm chart
 * contain the texts of `describe`.
 */
export const matchSchema = object(
  {
    namespaces: listOf(pattern, `a list of 1 to ${MOST_ITEMS} names or patterns`)
      .optional()
      .describe('list of namespaces of the Job: names, or patterns in which `*` stands for any text'),
    jobName: pattern
      .optional()
      .describe('name of the Job, or a pattern. A name that the API server generates counts as empty'),
    labels: labels.optional().describe('labels that the Job must have, all of them'),
    serviceAccountName: subdomain.optional().describe('service account of the Pod template'),
    containerName: label.optional().describe('name of a container in the Pod template; init containers do not count'),
  },
  'an object',
);

const LIMIT = `a whole number from 0 to ${LARGEST_BACKOFF_LIMIT}`;
export const settingsSchema = object(
  {
    backoffLimit: z
      .int({ error: LIMIT })
      .min(0, { error: LIMIT })
      .max(LARGEST_BACKOFF_LIMIT, { error: LIMIT })
      .describe(
        `highest \`spec.backoffLimit\`. A higher value is lowered to it, a lower value stays: 0 to ${LARGEST_BACKOFF_LIMIT}`,
      ),
    restartPolicy: z
      .enum(['Never', 'Keep'], { error: 'Never or Keep' })
      .default('Never')
      .describe(
        '`Never` (default) changes `spec.template.spec.restartPolicy` from `OnFailure` on CREATE, and puts it back on UPDATE; `Keep` does not change it',
      ),
  },
  'an object',
);

const rule = object(
  {
    name: label.describe('name of the rule in logs, warnings and audit annotations: a DNS label, unique in the file'),
    match: matchSchema
      .refine(isAnyGiven, { error: 'an object with at least one field; namespaces: ["*"] matches every Job' })
      .meta({ minProperties: 1 }),
    set: settingsSchema,
  },
  'a rule: name, match and set',
);

export const MOST_RULES = 32;
const RULES = `a list of 1 to ${MOST_RULES} rules`;
export const policySchema = object(
  { namespaceSelector: selectorSchema.optional(), rules: listOf(rule, RULES, MOST_RULES) },
  'an object with the field rules',
);

/** A valid policy file, with the defaults filled in. */
export type PolicyFile = z.infer<typeof policySchema>;

/**
 * Returns the JSON Schema (draft 7) of a policy file, for editors and the Helm chart. Checks that JSON Schema cannot
 * express are left out.
 */
export const policyJsonSchema = () => z.toJSONSchema(policySchema, { target: 'draft-7', io: 'input' });
