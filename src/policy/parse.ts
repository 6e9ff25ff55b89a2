import type { z } from 'zod';
import { asObject } from '../lib/json.ts';
import { describeValue, invalidValue, oneLine } from '../lib/text.ts';
import type { FileContent } from '../lib/watched-file.ts';
import { type Path, readYaml, type YamlProblem } from '../lib/yaml.ts';
import { jsonPatch, LONGEST_EXPRESSION, matchConditions } from './cel.ts';
import type { LabelSelector, Policy } from './policy.ts';
import { policySchema, selectorSchema } from './schema.ts';

/** Maximum number of reported problems, because each line of an invalid file can have one. */
const MOST_PROBLEMS = 50;
/** Maximum length of a reported problem, in characters. A message of the YAML parser can quote the whole file. */
const LONGEST_PROBLEM = 600;

/**
 * Parses a policy in YAML or JSON.
 *
 * @returns the policy, or a text for each problem: line, field, invalid value, allowed values. After 50 problems, the
 * last text is the number of the other problems.
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
  // The API server compiles each CEL expression that is made from the policy, and refuses an expression that is too
  // long.
  const expressions = [...matchConditions(parsed.data).map(({ expression }) => expression), jsonPatch(parsed.data)];
  const length = Math.max(...expressions.map((expression) => expression.length));
  if (length <= LONGEST_EXPRESSION) return { value: parsed.data };
  const allowed = `at most ${LONGEST_EXPRESSION}; use fewer names, labels or patterns`;
  return { problems: [`rules: too long: ${length} characters as a CEL expression: must have ${allowed}`] };
}

/** Reads a label selector in JSON. Returns `undefined` if the text is not a valid selector. */
export function parseSelector(json: string): LabelSelector | undefined {
  try {
    return selectorSchema.safeParse(JSON.parse(json)).data;
  } catch {
    return undefined;
  }
}

function toLines(problems: readonly YamlProblem[]): { readonly problems: readonly string[] } {
  const texts = [...problems]
    .sort((one, other) => one.line - other.line)
    .map(({ line, problem }) => `line ${line}: ${oneLine(problem).slice(0, LONGEST_PROBLEM)}`);
  const lines = [...new Set(texts)];
  const rest = lines.length - MOST_PROBLEMS;
  return { problems: rest > 0 ? [...lines.slice(0, MOST_PROBLEMS), `and ${rest} more problems`] : lines };
}

/**
 * Returns a problem for each rule with the name of an earlier rule. Reads the unchecked value, so that these problems
 * are reported together with all others.
 */
function repeatedNames(value: unknown): Problem[] {
  const { rules } = asObject(value);
  const names = Array.isArray(rules) ? rules.map((rule) => asObject(rule).name) : [];
  return names.flatMap((name, index) => {
    const first = names.indexOf(name);
    if (typeof name !== 'string' || first === index) return [];
    const problem = `duplicate value ${describeValue(name)}: rules[${first}] has the same name`;
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
    const problem = `unknown field; valid fields are ${message}`;
    return issue.keys.map((key) => ({ path: [...path, key], problem }));
  }
  const found = issue.code === 'invalid_key' ? path.at(-1) : valueAt(value, path);
  return [{ path, problem: invalidValue(found, message) }];
}

const valueAt = (value: unknown, path: Path): unknown =>
  path.reduce<unknown>((at, step) => (at === null || at === undefined ? undefined : (at as never)[step]), value);

const nameOf = (path: Path): string =>
  path
    .map((step) => (typeof step === 'number' ? `[${step}]` : `.${String(step)}`))
    .join('')
    .replace(/^\./, '') || 'policy';
