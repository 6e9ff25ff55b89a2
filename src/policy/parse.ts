import type { z } from 'zod';
import { asObject } from '../lib/json.ts';
import { describeValue, oneLine } from '../lib/text.ts';
import type { FileContent } from '../lib/watched-file.ts';
import { type Path, readYaml, type YamlProblem } from '../lib/yaml.ts';
import { jsonPatch, LONGEST_EXPRESSION, matchConditions } from './cel.ts';
import type { LabelSelector, Policy } from './policy.ts';
import { policySchema, selectorSchema } from './schema.ts';

/** More would not be read, and a file of junk has one in each line. */
const MOST_PROBLEMS = 50;
/** A message may quote the file, all of it. */
const LONGEST_PROBLEM = 600;

/**
 * Reads a policy in YAML or JSON.
 *
 * @returns it, or every problem in a line of its own: line, field, what was found, what is allowed. At most 50 of them.
 */
export function parsePolicy(content: string): FileContent<Policy> {
  const document = readYaml(content);
  if ('problems' in document) return toLines(document.problems);
  const parsed = policySchema.safeParse(document.value);
  const found = [
    ...(parsed.error?.issues ?? []).flatMap((issue) => problemsOf(issue, document.value)),
    ...repeatedNames(document.value),
  ];
  const problems = found.map(({ path, problem }) => ({
    line: document.lineOf(path),
    problem: `${nameOf(path)}: ${problem}`,
  }));
  if (!parsed.success || problems.length > 0) return toLines(problems);
  // The API server gets the policy in one of these forms.
  const expressions = [...matchConditions(parsed.data).map(({ expression }) => expression), jsonPatch(parsed.data)];
  const length = Math.max(...expressions.map((expression) => expression.length));
  if (length <= LONGEST_EXPRESSION) return { value: parsed.data };
  const allowed = `at most ${LONGEST_EXPRESSION}: fewer names and labels, or patterns`;
  return { problems: [`rules: found ${length} characters in CEL; allowed is ${allowed}`] };
}

/** Reads a label selector in JSON; `undefined` if it is none. */
export function parseSelector(json: string): LabelSelector | undefined {
  try {
    return selectorSchema.safeParse(JSON.parse(json)).data;
  } catch {
    return undefined;
  }
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
  const { rules } = asObject(value);
  const names = Array.isArray(rules) ? rules.map((rule) => asObject(rule).name) : [];
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
  const { path, message } = issue;
  if (issue.code === 'unrecognized_keys') {
    const problem = `found a field that there is not; allowed is ${message}`;
    return issue.keys.map((key) => ({ path: [...path, key], problem }));
  }
  const found = issue.code === 'invalid_key' ? path.at(-1) : valueAt(value, path);
  return [{ path, problem: `found ${describeValue(found)}; allowed is ${message}` }];
}

const valueAt = (value: unknown, path: Path): unknown =>
  path.reduce<unknown>((at, step) => (at === null || at === undefined ? undefined : (at as never)[step]), value);

const nameOf = (path: Path): string =>
  path
    .map((step) => (typeof step === 'number' ? `[${step}]` : `.${String(step)}`))
    .join('')
    .replace(/^\./, '') || 'policy';
