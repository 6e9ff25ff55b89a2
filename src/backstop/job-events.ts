import type { CapDecision, ExplainDecision } from './decide.ts';

/** Reasons of Events about Jobs. */
export const jobEventReasons = ['Missed', 'RanOnce'] as const;

/** A Kubernetes Event about a Job. Two Events with the same name report the same fact, so only the first is stored. */
export interface JobEvent {
  readonly name: string;
  readonly reason: (typeof jobEventReasons)[number];
  readonly action: 'cap' | 'explain';
  /** The message of the Event. */
  readonly note: string;
}

/**
 * Returns the Event for a Job that the API server stored uncapped and the backstop then capped. The name contains the
 * resourceVersion, so that each cap of a Job has its own Event.
 */
export function missedEvent(decision: CapDecision): JobEvent {
  const { job, from, to } = decision;
  return {
    name: `missed.${job.uid}.${job.resourceVersion}`,
    reason: 'Missed',
    action: 'cap',
    note:
      `The API server stored this Job uncapped, and terraform-daemon then lowered its backoffLimit from ` +
      `${from ?? 'the default'} to ${to}. ${whyThisLimit(decision)} The restartPolicy of a stored Job cannot be ` +
      'changed: with OnFailure, a container that fails may start once more before the Job fails.',
  };
}

function whyThisLimit({ reason, to }: CapDecision): string {
  if (reason === 'policy') return 'This is the limit of the policy.';
  if (reason === 'retried') {
    return 'It had been retried already: this is the lowest limit with which its current run can finish, and its next failure ends the Job.';
  }
  return (
    'The restarts of all containers count against the limit, also those of sidecars. So that a sidecar does not end ' +
    `the current run, the Job fails only when its containers have restarted ${to} times in all.`
  );
}

/** Returns the Event for a Job that has failed and is not retried by policy. */
export function ranOnceEvent(decision: ExplainDecision): JobEvent {
  const { namespace, name, uid } = decision.job;
  return {
    name: `ran-once.${uid}`,
    reason: 'RanOnce',
    action: 'explain',
    note:
      `${howItFailed(decision, `kubectl -n ${namespace} logs job/${name} --all-containers --ignore-errors`)} ` +
      `To run the Job again after fixing the cause, delete it: kubectl -n ${namespace} delete job ${name}. ` +
      'If it belongs to a KubeVela Configuration, then change an annotation of the Configuration: ' +
      'every version of terraform-controller creates the Job again after such a change.',
  };
}

function howItFailed({ isLogKept, caveats, reason }: ExplainDecision, log: string): string {
  if (reason !== undefined) {
    const shown = reason.slice(0, LONGEST_REASON);
    return `This Job failed with ${shown} and is not retried. Its log may no longer exist: ${log}.`;
  }
  if (isLogKept && caveats.length > 0) {
    return `This Job failed, and the policy allows no retry. Note: ${caveats.join('; ')}. Its log: ${log}.`;
  }
  if (isLogKept) return `This Job ran once and failed. The policy allows no retry. Its log: ${log}.`;
  return (
    'This Job failed, and the policy allows no retry. Its restartPolicy is OnFailure, so it may have run more than ' +
    `once, and its log may no longer exist: ${log}.`
  );
}

/** Maximum characters of the condition's reason in the message. The message of an Event can have at most 1,024. */
const LONGEST_REASON = 100;
