import type { TerraformAction } from '../terraform/configuration.ts';
import type { Ending } from '../terraform/ending.ts';
import { endingText } from '../terraform/ending-text.ts';
import type { ConfigurationReference } from './configuration-store.ts';
import type { JobReference } from './decide.ts';
import { type JobEvent, LONGEST_NOTE, logText, retryText } from './job-events.ts';

/** A failed Job of terraform-controller, and the Configuration that waits for it. */
export interface FailedApply {
  readonly job: JobReference;
  readonly action: TerraformAction;
  readonly configuration: ConfigurationReference;
  readonly ending: Ending;
}

const reasons = { apply: 'ApplyFailed', destroy: 'DestroyFailed' } as const;

/**
 * Returns the Event on the Configuration of a failed Job. Its name contains the uid of the Job, so several replicas and
 * restarts create one Event until it expires.
 */
export function failedApplyEvent({ job, action, configuration, ending }: FailedApply): JobEvent {
  const { namespace, name } = configuration;
  const sentences = [
    `The Job of terraform ${action} failed and is not retried by policy.`,
    endingText(ending),
    logText(job, ending),
    retryText({ job, configuration: { action, namespace, name } }),
  ];
  const note = sentences.filter((sentence) => sentence !== '').join(' ');
  const command = ` Or run \`terraform-daemon applies retry ${namespace}/${name}\`.`;
  return {
    name: `${action}-failed.${job.uid}`,
    reason: reasons[action],
    action: 'explain',
    // With the longest names only the commands of kubectl fit.
    note: note.length + command.length <= LONGEST_NOTE ? note + command : note,
  };
}
