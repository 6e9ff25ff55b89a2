import { shellWord } from '../lib/text.ts';
import type { Ending } from '../terraform/ending.ts';
import { endingText, logCommandOf, logStateOf, withoutFreeText } from '../terraform/ending-text.ts';
import { touchCommand } from '../terraform/retry-commands.ts';
import type { CapDecision, ExplainDecision, JobReference } from './decide.ts';

/** Reasons of Events about Jobs, and about Configurations whose Job has failed. */
export const jobEventReasons = ['Missed', 'NotRetried', 'ApplyFailed', 'DestroyFailed'] as const;

/** A Kubernetes Event about a Job or a Configuration. Two Events with the same name report the same fact, so only the first is stored. */
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
  if (reason === 'unknown-run') {
    return `Not all of its Pods could be seen. So that the current run can finish if it had been restarted, the Job fails only when its containers have restarted ${to} times in all.`;
  }
  return (
    'The restarts of all containers count against the limit, also those of sidecars. So that a sidecar does not end ' +
    `the current run, the Job fails only when its containers have restarted ${to} times in all.`
  );
}

/** The limit of the API events.k8s.io/v1. The API server has no limit for the Events of v1, which the daemon creates. */
const LONGEST_NOTE = 1_024;

/** Returns the first of the messages with at most 1,024 characters, otherwise the last one. No command is cut. */
export const shortEnough = (notes: readonly string[]): string =>
  notes.find(({ length }) => length <= LONGEST_NOTE) ?? notes.at(-1) ?? '';

/** Returns the Event for a Job that has failed and is not retried by policy. It says only what was seen. */
export function notRetriedEvent(decision: ExplainDecision, ending: Ending): JobEvent {
  const { job, caveats } = decision;
  const about = caveats.length > 0 ? `Note: ${caveats.join('; ')}.` : '';
  const noteOf = (note: string, shown: Ending): string => {
    const parts = [howItFailed(decision), note, endingText(shown), logText(job, shown), retryText(decision)];
    return parts.filter((part) => part !== '').join(' ');
  };
  const note = shortEnough([noteOf(about, ending), noteOf('', ending), noteOf('', withoutFreeText(ending))]);
  return { name: `not-retried.${job.uid}`, reason: 'NotRetried', action: 'explain', note };
}

const howItFailed = ({ reason }: ExplainDecision): string =>
  reason === undefined
    ? 'This Job failed, and the policy allows no retry.'
    : `This Job failed with ${reason} and is not retried.`;

/** Returns where the log of a failed Job is; empty if there was never a log. */
export function logText(job: JobReference, ending: Ending): string {
  const state = logStateOf(ending);
  if (state === 'gone') {
    return ending.kind === 'evicted' ? 'Its log is deleted with its containers.' : 'Any log is deleted with the Pod.';
  }
  const command = logCommandOf(job, ending);
  if (command === undefined) return '';
  return `${state === 'kept' ? 'Its log' : 'Its log, if it still exists'}: \`${command}\`.`;
}

/**
 * Returns how to run the Job again. After the deletion of a Job, the main branch of terraform-controller creates it again
 * only if the Configuration changes: docs/explanation/terraform-controller.md.
 */
export function retryText({ job, configuration }: Pick<ExplainDecision, 'job' | 'configuration'>): string {
  const { namespace, name } = job;
  const remove = `kubectl -n ${shellWord(namespace)} delete job ${shellWord(name)}`;
  const start = 'To run it again after fixing the cause';
  if (configuration === undefined) return `${start}, delete the Job (\`${remove}\`) and create it again.`;
  // terraform-controller checks a destroy Job every few seconds.
  if (configuration.action === 'destroy') return `${start}: \`${remove}\`. terraform-controller creates it again.`;
  if ('uid' in configuration) {
    const { name: of, uid } = configuration;
    return `${start}: \`${remove}\`, then change an annotation of the Configuration ${of} with the uid ${uid}.`;
  }
  return `${start}: \`${remove} && ${touchCommand(configuration, '$(date +%s)')}\`.`;
}
