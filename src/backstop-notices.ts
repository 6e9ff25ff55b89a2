import type { JobReference } from './backstop-judgement.ts';

/** An Event about a Job. Where there is one of this name already, it has been told. */
export interface JobNotice {
  readonly name: string;
  readonly type: 'Normal' | 'Warning';
  readonly reason: 'Missed' | 'RanOnce';
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

export function ranOnceNotice({ uid, namespace, name }: JobReference, isLogKept: boolean): JobNotice {
  const log = `kubectl -n ${namespace} logs job/${name}`;
  return {
    name: `ran-once.${uid}`,
    type: 'Warning',
    reason: 'RanOnce',
    action: 'explain',
    note:
      (isLogKept
        ? `This Job ran once and failed; by policy it is not retried. Its log: ${log}. `
        : `This Job failed and by policy is not retried. It was capped only after it had been stored, with restartPolicy OnFailure: it may have run twice, and its log (${log}) may be gone. `) +
      `To run it again once the cause is mended, delete it (kubectl -n ${namespace} delete job ${name}): ` +
      'terraform-controller then makes it anew. Or change the Configuration, which does the same.',
  };
}
