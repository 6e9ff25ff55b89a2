import { isOver, readJob } from './job.ts';
import { matches } from './match-fields.ts';
import { OPT_OUT_ANNOTATION, type Policy, type Settings } from './policy.ts';
import { hasEntries } from './predicates.ts';
import { type Change, changesFor, settingFields } from './setting-fields.ts';

/** Why a request is allowed without a change. */
export const allowReasons = [
  'not-a-job',
  'not-created-or-updated',
  'opted-out',
  'is-over',
  'no-rule',
  'already-capped',
] as const;

export type AllowReason = (typeof allowReasons)[number];

export type Decision =
  | { readonly action: 'allow'; readonly reason: AllowReason }
  | {
      readonly action: 'cap';
      /** The name of the rule that caps the Job. */
      readonly rule: string;
      readonly changes: readonly Change[];
      /** The backoffLimit and the restartPolicy of the Job after the changes, changed or not. */
      readonly result: Readonly<Record<keyof Settings, Change['from']>>;
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
 * Decides whether the write of a Job is allowed, capped or refused. Checks the match conditions of the webhook again,
 * because an API server can ignore them (Kubernetes 1.27). Does not check the namespace selector, because the API
 * server sends only Jobs in selected namespaces.
 */
export function decide(write: JobWrite, policy: Policy): Decision {
  if (write.resource !== 'batch/v1/jobs') return allow('not-a-job');
  const { operation, namespace } = write;
  if (operation !== 'CREATE' && operation !== 'UPDATE') return allow('not-created-or-updated');
  const job = readJob(write.object);
  if ('problem' in job) return { action: 'refuse', problem: job.problem };
  if (hasEntries(job.annotations, { [OPT_OUT_ANNOTATION]: 'true' })) return allow('opted-out');
  // On UPDATE, `object` has the status that the client sent. The API server restores the stored status only after
  // admission.
  if (isOver(write.oldObject)) return allow('is-over');
  const rule = policy.rules.find(({ match }) => matches(match, { job, namespace }));
  if (rule === undefined) return allow('no-rule');
  const changes = changesFor(job, rule.set, operation);
  if (changes.length === 0) return allow('already-capped');
  const after = (field: keyof Settings) =>
    changes.find((change) => change.field === field)?.to ?? settingFields[field].current(job);
  const result = { backoffLimit: after('backoffLimit'), restartPolicy: after('restartPolicy') };
  return { action: 'cap', rule: rule.name, changes, result };
}

const allow = (reason: AllowReason): Decision => ({ action: 'allow', reason });
