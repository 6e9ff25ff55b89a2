import type { JsonObject } from '../webhook/review.ts';
import type { Job } from './job.ts';
import { type Labels, type Match, matchesPattern, type Policy, type Rule } from './policy.ts';

/** What a rule looks at. */
export interface Subject {
  readonly job: Job;
  readonly namespace: string;
}

/**
 * The rules that may decide about a Job as long as nothing is known of its namespace's labels, in their order. The last
 * one is the first that does not ask for them.
 */
export function candidates(subject: Subject, { rules }: Policy): readonly Rule[] {
  const found: Rule[] = [];
  for (const rule of rules) {
    if (!matches(rule.match, subject)) continue;
    found.push(rule);
    if (rule.match.namespaceLabels === undefined) break;
  }
  return found;
}

/** The one of the candidates that decides, if there is one. */
export function firstOf(rules: readonly Rule[], namespaceLabels: Labels | undefined): Rule | 'unknown' | undefined {
  for (const rule of rules) {
    const wanted = rule.match.namespaceLabels;
    if (wanted === undefined) return rule;
    if (namespaceLabels === undefined) return 'unknown';
    if (hasLabels(namespaceLabels, wanted)) return rule;
  }
  return undefined;
}

/** Whether everything holds but the namespace's labels. The same as the CEL of `matchConditions`. */
function matches(match: Match, { job, namespace }: Subject): boolean {
  const { namespaces, jobName, labels, serviceAccountName, containerName } = match;
  return (
    holds(serviceAccountName, (name) => job.serviceAccountName === name) &&
    holds(namespaces, (patterns) => patterns.some((pattern) => matchesPattern(pattern, namespace))) &&
    holds(jobName, (pattern) => matchesPattern(pattern, job.name)) &&
    holds(labels, (wanted) => hasLabels(job.labels, wanted)) &&
    holds(containerName, (wanted) => job.containers.some(({ name }) => name === wanted))
  );
}

const holds = <T>(wanted: T | undefined, check: (wanted: T) => boolean): boolean =>
  wanted === undefined || check(wanted);

/** Own ones only: a label may be called "constructor". */
const hasLabels = (labels: JsonObject | Labels, wanted: Labels): boolean =>
  Object.entries(wanted).every(([name, value]) => Object.hasOwn(labels, name) && labels[name] === value);
