import { z } from 'zod';
import { describeValue, nearest, oneLine } from '../lib/text.ts';
import { type Path, readYaml, type YamlProblem } from '../lib/yaml.ts';
import { jsonPatch, LONGEST_EXPRESSION, matchConditions } from './cel.ts';
import { LARGEST_BACKOFF_LIMIT, type Policy } from './policy.ts';

// Else zod compiles its checks with `new Function`, which a program that decides about admission has no need of.
z.config({ jitless: true });

/** What is allowed is the text of a schema's errors: what was found is added to it. */
const text = (pattern: RegExp, longest: number, allowed: string) =>
  z.string({ error: allowed }).max(longest, { error: allowed }).regex(pattern, { error: allowed });

const DNS_LABEL = 'a DNS label: at most 63 of a-z, 0-9 and "-"';
const label = text(/^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/, 63, DNS_LABEL);
const subdomain = text(
  /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/,
  253,
  'a DNS subdomain: at most 253 of a-z, 0-9, "-" and "."',
);
const PATTERN = 'a name or a pattern: at most 253 of a-z, 0-9, "-", "." and "*", which stands for any text';
const pattern = text(/^[-a-z0-9.*]+$/, 253, PATTERN);

const MOST_ITEMS = 100;
export const MOST_RULES = 32;
const PATTERNS = `a list of 1 to ${MOST_ITEMS} names or patterns`;
const LABELS = `1 to ${MOST_ITEMS} labels, as Kubernetes has them: names and values`;
/** https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#syntax-and-character-set */
const labelName = text(
  /^([a-z0-9]([-a-z0-9.]*[a-z0-9])?\/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/,
  317,
  'the name of a label',
);
const labelValue = text(
  /^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$/,
  63,
  'the value of a label, a text: in quotes if need be',
);
const labels = z.record(labelName, labelValue, { error: LABELS }).refine(
  (map) => {
    const { length } = Object.keys(map);
    return length >= 1 && length <= MOST_ITEMS;
  },
  { error: LABELS },
);
const LIMIT = `a whole number from 0 to ${LARGEST_BACKOFF_LIMIT}`;

const MATCH = 'at least one field; namespaces: ["*"] is every Job';
const match = z
  .strictObject(
    {
      namespaces: z
        .array(pattern, { error: PATTERNS })
        .min(1, { error: PATTERNS })
        .max(MOST_ITEMS, { error: PATTERNS })
        .optional()
        .describe('the namespace is one of these: names, or patterns in which `*` stands for any text'),
      namespaceLabels: labels
        .optional()
        .describe('the namespace has all of these labels; needs `manifests/components/namespaces`'),
      jobName: pattern
        .optional()
        .describe('the name of the Job, or a pattern; one that is still to be generated counts as empty'),
      labels: labels.optional().describe('the Job has all of these labels'),
      serviceAccountName: subdomain.optional().describe('the Pod template runs as this service account'),
      containerName: label.optional().describe('the Pod template has a container of this name'),
    },
    { error: 'an object' },
  )
  .refine((match) => Object.values(match).some((value) => value !== undefined), { error: MATCH });

const set = z.strictObject(
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
    match,
    set,
  },
  { error: 'a rule: name, match and set' },
);

const RULES = `a list of 1 to ${MOST_RULES} rules`;
const policy = z.strictObject(
  {
    rules: z.array(rule, { error: RULES }).min(1, { error: RULES }).max(MOST_RULES, { error: RULES }),
  },
  { error: 'an object with the field rules' },
);

/** Every field of a rule, as the README's table tells it. */
export const policyFields: readonly { readonly field: string; readonly meaning: string }[] = [
  { field: 'name', meaning: rule.shape.name.description ?? '' },
  ...[
    ['match', match.shape],
    ['set', set.shape],
  ].flatMap(([group, shape]) =>
    Object.entries(shape as Readonly<Record<string, z.ZodType>>).map(([name, schema]) => ({
      field: `${group}.${name}`,
      meaning: schema.description ?? '',
    })),
  ),
];

/** The same for editors and the Helm chart, as far as JSON Schema can say it: draft 7, of what a file may hold. */
export const policyJsonSchema = () => z.toJSONSchema(policy, { target: 'draft-7', io: 'input' });

/** More would not be read, and a file of junk has one in each line. */
const MOST_PROBLEMS = 50;
/** A message may quote the file, all of it. */
const LONGEST_PROBLEM = 600;

/**
 * Reads a policy in YAML or JSON.
 *
 * @returns it, or every problem in a line of its own: line, field, what was found, what is allowed. At most 50 of them.
 */
export function parsePolicy(content: string): { readonly policy: Policy } | { readonly problems: readonly string[] } {
  const document = readYaml(content);
  if ('problems' in document) return toLines(document.problems);
  const parsed = policy.safeParse(document.value);
  const problems = [
    ...(parsed.error?.issues ?? []).flatMap((issue) => problemsOf(issue, document.value)),
    ...repeatedNames(document.value),
  ];
  if (!parsed.success || problems.length > 0) {
    return toLines(
      problems.map(({ path, problem }) => ({
        line: document.lineOf(path),
        problem: `${nameOf(path)}: ${problem}`,
      })),
    );
  }
  const length = longestExpression(parsed.data);
  if (length <= LONGEST_EXPRESSION) return { policy: parsed.data };
  const allowed = `at most ${LONGEST_EXPRESSION}: fewer names and labels, or patterns`;
  return { problems: [`rules: found ${length} characters in CEL; allowed is ${allowed}`] };
}

/** Of what the API server is given, in any form. */
function longestExpression(policy: Policy): number {
  const expressions = [...matchConditions(policy).map(({ expression }) => expression), jsonPatch(policy)];
  return Math.max(...expressions.map(({ length }) => length));
}

function toLines(problems: readonly YamlProblem[]): { readonly problems: readonly string[] } {
  const told = [...problems]
    .sort((one, other) => one.line - other.line)
    .map(({ line, problem }) => `line ${line}: ${oneLine(problem).slice(0, LONGEST_PROBLEM)}`);
  const lines = [...new Set(told)];
  const rest = lines.length - MOST_PROBLEMS;
  return { problems: rest > 0 ? [...lines.slice(0, MOST_PROBLEMS), `and ${rest} more`] : lines };
}

/** Looked for in what was read, so that they are told beside whatever else is wrong. */
function repeatedNames(value: unknown): Problem[] {
  const rules = valueAt(value, ['rules']);
  const names = Array.isArray(rules) ? rules.map((rule) => valueAt(rule, ['name'])) : [];
  return names.flatMap((name, index) => {
    const first = names.indexOf(name);
    if (typeof name !== 'string' || first === index) return [];
    const problem = `found ${describeValue(name)}; allowed is a name that rules[${first}] does not have`;
    return [{ path: ['rules', index, 'name'], problem }];
  });
}

interface Problem {
  readonly path: Path;
  readonly problem: string;
}

function problemsOf(issue: z.core.$ZodIssue, value: unknown): Problem[] {
  if (issue.code === 'unrecognized_keys') {
    const fields = fieldsAt(issue.path);
    return issue.keys.map((key) => {
      const meant = nearest(key, fields);
      const hint = meant === undefined ? '' : `; did you mean ${meant}?`;
      return {
        path: [...issue.path, key],
        problem: `found a field that there is not; allowed is ${fields.join(', ')}${hint}`,
      };
    });
  }
  const found =
    issue.code === 'invalid_key' ? describeValue(issue.path.at(-1)) : describeValue(valueAt(value, issue.path));
  return [{ path: issue.path, problem: `found ${found}; allowed is ${issue.message}` }];
}

function fieldsAt(path: Path): string[] {
  const shapes = { match: match.shape, set: set.shape };
  const last = path.at(-1);
  if (last === undefined) return Object.keys(policy.shape);
  return Object.keys(last === 'match' || last === 'set' ? shapes[last] : rule.shape);
}

const valueAt = (value: unknown, path: Path): unknown =>
  path.reduce<unknown>((at, step) => (at === null || at === undefined ? undefined : (at as never)[step]), value);

const nameOf = (path: Path): string =>
  path
    .map((step) => (typeof step === 'number' ? `[${step}]` : `.${String(step)}`))
    .join('')
    .replace(/^\./, '') || 'policy';
