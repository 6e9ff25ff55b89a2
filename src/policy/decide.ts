import { isBeingDeleted, readJob } from './job.ts';
import { markOf } from './mark.ts';
import { matches } from './match-fields.ts';
import type { Policy, Rule, Settings } from './policy.ts';
import { caveatsOf } from './retry-fields.ts';
import { type Change, changesFor, isOptedOut, settingFields, type WrittenJob } from './setting-fields.ts';

/** Why a request is allowed without a change. */
export const allowReasons = [
  'not-a-job',
  'not-created-or-updated',
  'no-rule',
  'opted-out',
  'being-deleted',
  'run-in-progress',
  'already-capped',
] as const;

export type AllowReason = (typeof allowReasons)[number];

/**
 * What the changes make of a Job that the API server accepts: it runs once, it is not retried from now on, or its
 * retries are limited.
 */
export type Effect = 'once' | 'no-retry' | 'limited';

export type Decision =
  | { readonly action: 'allow'; readonly reason: AllowReason }
  | {
      readonly action: 'cap';
      /** The name of the rule that caps the Job. */
      readonly rule: string;
      readonly changes: readonly Change[];
      /** The value of the annotation that records the changes, or `undefined` if none is added: see `markOf`. */
      readonly mark: string | undefined;
      readonly effect: Effect;
      /** What else the user must know: see `caveatsOf`. */
      readonly caveats: readonly string[];
    }
  /** An UPDATE in which only the restartPolicy of the stored Job is put back. */
  | {
      readonly action: 'keep';
      readonly rule: string;
      readonly changes: readonly Change[];
      readonly mark: string | undefined;
    }
  | { readonly action: 'refuse'; readonly problem: string };

/** The fields of an admission request that a decision reads. */
export interface JobWrite {
  /** `group/version/resource`, and `/subresource` if there is one. */
  readonly resource: string;
  readonly operation: string;
  readonly namespace: string;
  readonly object: unknown;
  readonly oldObject: unknown;
}

/**
 * Decides whether the write of a Job is allowed, changed or refused. Checks the match conditions of the webhook again,
 * because an API server can ignore them (Kubernetes 1.27). Does not check the namespace selector, because the API
 * server sends only Jobs in selected namespaces.
 */
export function decide(write: JobWrite, policy: Policy): Decision {
  if (write.resource !== 'batch/v1/jobs') return allow('not-a-job');
  const { operation, namespace } = write;
  if (operation !== 'CREATE' && operation !== 'UPDATE') return allow('not-created-or-updated');
  const job = readJob(write.object);
  if ('problem' in job) return { action: 'refuse', problem: job.problem };
  const rule = policy.rules.find(({ match }) => matches(match, { job, namespace }));
  if (rule === undefined) return allow('no-rule');
  return change({ job, operation, stored: write.oldObject }, rule);
}

/** Decides about a Job that the rule matches. */
function change(written: WrittenJob, { name: rule, set }: Rule): Decision {
  const { job, operation } = written;
  const changes = changesFor(written, set);
  if (changes.length === 0) return allow(whyUnchanged(written, set));
  const mark = markOf(job.annotations, rule, changes);
  if (operation === 'UPDATE' && changes.every(({ field }) => field === 'restartPolicy')) {
    return { action: 'keep', rule, changes, mark };
  }
  const after = (field: keyof Settings) =>
    changes.find((change) => change.field === field)?.to ?? settingFields[field].current(job);
  const retries = { backoffLimit: after('backoffLimit'), restartPolicy: after('restartPolicy') };
  const caveats = caveatsOf(job, retries);
  // A stored Job can have been retried before this UPDATE.
  const isOnce = operation === 'CREATE' && retries.restartPolicy === 'Never' && caveats.length === 0;
  const whenNone = isOnce ? 'once' : 'no-retry';
  return { action: 'cap', rule, changes, mark, effect: retries.backoffLimit === 0 ? whenNone : 'limited', caveats };
}

function whyUnchanged({ job, stored }: WrittenJob, { backoffLimit }: Settings): AllowReason {
  if (isOptedOut(job)) return 'opted-out';
  if (isBeingDeleted(stored)) return 'being-deleted';
  return settingFields.backoffLimit.isNeeded(backoffLimit, job) ? 'run-in-progress' : 'already-capped';
}

const allow = (reason: AllowReason): Decision => ({ action: 'allow', reason });
