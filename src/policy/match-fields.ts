import { type Job, POD } from './job.ts';
import type { Match } from './policy.ts';
import { anyPatternCel, celString, hasEntries, hasEntriesCel, matchesPattern, patternCel } from './predicates.ts';

/** The Job and the namespace that a rule is compared with. */
export interface Subject {
  readonly job: Job;
  readonly namespace: string;
}

interface MatchField<Wanted> {
  readonly matches: (wanted: Wanted, subject: Subject) => boolean;
  /**
   * Returns a CEL expression that checks the same as `matches`. The expression checks an optional field with `has()`
   * before it reads the field.
   */
  readonly cel: (wanted: Wanted) => string;
}

/**
 * The check of each field of `match`, for the endpoint and in CEL. Both check the fields in this order, the cheapest
 * first.
 */
const matchFields: { readonly [Name in keyof Match]-?: MatchField<NonNullable<Match[Name]>> } = {
  serviceAccountName: {
    matches: (name, { job }) => job.serviceAccountName === name,
    cel: (name) => `has(${POD}.serviceAccountName) && ${POD}.serviceAccountName == ${celString(name)}`,
  },
  namespaces: {
    matches: (patterns, { namespace }) => patterns.some((pattern) => matchesPattern(pattern, namespace)),
    cel: (patterns) => anyPatternCel(patterns, 'request.namespace'),
  },
  jobName: {
    matches: (pattern, { job }) => matchesPattern(pattern, job.name),
    cel: (pattern) => patternCel(pattern, "(has(object.metadata.name) ? object.metadata.name : '')"),
  },
  labels: {
    matches: (labels, { job }) => hasEntries(job.labels, labels),
    cel: (labels) => hasEntriesCel('object.metadata.labels', labels),
  },
  containerName: {
    matches: (wanted, { job }) => job.containers.some(({ name }) => name === wanted),
    // Go encodes a nil slice as null.
    cel: (wanted) =>
      `has(${POD}.containers) && ${POD}.containers != null && ${POD}.containers.exists(c, c.name == ${celString(wanted)})`,
  },
};

export const matches = (match: Match, subject: Subject): boolean =>
  given(match).every(({ field, wanted }) => field.matches(wanted, subject));

export const matchesCel = (match: Match): string =>
  given(match)
    .map(({ field, wanted }) => field.cel(wanted))
    .join(' && ') || 'true';

/**
 * Returns the fields that are set in a match. The casts are needed because a list loses the type that ties each value
 * to its field.
 */
const given = (match: Match): { readonly field: MatchField<unknown>; readonly wanted: unknown }[] =>
  Object.entries(matchFields)
    .map(([name, field]) => ({ field: field as MatchField<unknown>, wanted: match[name as keyof Match] }))
    .filter(({ wanted }) => wanted !== undefined);
