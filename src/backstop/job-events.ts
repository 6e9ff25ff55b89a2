import type { CapDecision, ExplainDecision } from './decide.ts';

/** Reasons of Events about Jobs. */
export const jobEventReasons = ['Missed', 'RanOnce'] as const;

/** A warning about a Job. Its name is unique for what it reports: an existing Event of that name reports the same. */
export interface JobEvent {
  readonly name: string;
  readonly reason: (typeof jobEventReasons)[number];
  readonly action: 'cap' | 'explain';
  /** The message for people. */
  readonly note: string;
}

/** The name contains the version that was capped, because a Job can be raised and capped again. */
export function missedEvent({ job, from, to }: CapDecision): JobEvent {
  return {
    name: `missed.${job.uid}.${job.resourceVersion}`,
    reason: 'Missed',
    action: 'cap',
    note:
      `The API server stored this Job without calling the terraform-daemon, so it was capped afterwards: ` +
      `backoffLimit was lowered from ${from ?? 'its default'} to ${to}. Its restartPolicy can no longer be changed: ` +
      'with OnFailure a failing run may be started a second time before the Job ends.',
  };
}

export function ranOnceEvent(decision: ExplainDecision): JobEvent {
  const { namespace, name, uid } = decision.job;
  return {
    name: `ran-once.${uid}`,
    reason: 'RanOnce',
    action: 'explain',
    note:
      `${howItFailed(decision, `kubectl -n ${namespace} logs job/${name} --all-containers --ignore-errors`)} ` +
      `To run it again once the cause is mended, delete it (kubectl -n ${namespace} delete job ${name}): ` +
      'terraform-controller then makes it anew. Or change the Configuration, which does the same.',
  };
}

function howItFailed({ isLogKept, reason }: ExplainDecision, log: string): string {
  if (reason !== undefined) {
    return `This Job failed with ${reason.slice(0, LONGEST_REASON)} and is not retried. Its log (${log}) may be gone.`;
  }
  if (isLogKept) return `This Job ran once and failed; by policy it is not retried. Its log: ${log}.`;
  return (
    `This Job failed and by policy is not retried. As its restartPolicy is OnFailure, it may have run twice, and its ` +
    `log (${log}) may be gone.`
  );
}

/** Keeps the note below the 1,024 characters that an Event may have; the reason of a condition may have more. */
const LONGEST_REASON = 100;
