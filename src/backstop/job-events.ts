import type { JobEnd, JobReference } from './decide.ts';

/** Reasons of Events about Jobs. */
export const jobEventReasons = ['Missed', 'RanOnce'] as const;

/** An Event about a Job. Where there is one of this name already, it has been told. */
export interface JobNotice {
  readonly name: string;
  readonly type: 'Normal' | 'Warning';
  readonly reason: (typeof jobEventReasons)[number];
  readonly action: 'cap' | 'explain';
  /** For people. */
  readonly note: string;
}

/** The same Job may be missed again after somebody has changed it, so the version that was capped is in the name. */
export function missedNotice({ uid, resourceVersion }: JobReference, from: number | undefined, to: number): JobNotice {
  return {
    name: `missed.${uid}.${resourceVersion}`,
    type: 'Warning',
    reason: 'Missed',
    action: 'cap',
    note:
      `The API server stored this Job without calling the terraform-daemon, so it was capped afterwards: ` +
      `backoffLimit was lowered from ${from ?? 'its default'} to ${to}. Its restartPolicy can no longer be changed: ` +
      'with OnFailure a failing run may be started a second time before the Job ends.',
  };
}

export function ranOnceNotice({ uid, namespace, name }: JobReference, end: JobEnd): JobNotice {
  return {
    name: `ran-once.${uid}`,
    type: 'Warning',
    reason: 'RanOnce',
    action: 'explain',
    note:
      `${howItFailed(end, `kubectl -n ${namespace} logs job/${name} --all-containers --ignore-errors`)} ` +
      `To run it again once the cause is mended, delete it (kubectl -n ${namespace} delete job ${name}): ` +
      'terraform-controller then makes it anew. Or change the Configuration, which does the same.',
  };
}

function howItFailed({ isLogKept, reason }: JobEnd, log: string): string {
  if (reason !== undefined) {
    return `This Job failed with ${reason.slice(0, LONGEST_REASON)} and is not retried. Its log (${log}) may be gone.`;
  }
  if (isLogKept) return `This Job ran once and failed; by policy it is not retried. Its log: ${log}.`;
  return (
    `This Job failed and by policy is not retried. As its restartPolicy is OnFailure, it may have run twice, and its ` +
    `log (${log}) may be gone.`
  );
}

/** A condition of a Job may say more than an Event may. */
const LONGEST_REASON = 100;
