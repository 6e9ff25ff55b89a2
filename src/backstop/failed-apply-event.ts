import type { TerraformAction } from '../terraform/configuration.ts';
import type { Ending } from '../terraform/ending.ts';
import { endingText, withoutFreeText } from '../terraform/ending-text.ts';
import { retryCommand } from '../terraform/retry-commands.ts';
import type { ConfigurationReference } from './configuration-store.ts';
import type { JobReference } from './decide.ts';
import { type JobEvent, logText, retryText, shortEnough } from './job-events.ts';

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
  // The owner of a Job in another namespace need not be the owner of the Configuration.
  const isFromElsewhere = job.namespace !== namespace;
  const short = withoutFreeText(ending);
  const shown = isFromElsewhere ? short : ending;
  const command = ` Or run \`${retryCommand(configuration)}\`.`;
  const noteOf = (seen: Ending): string => {
    const sentences = [
      `The Job of terraform ${action} failed and is not retried by policy.`,
      endingText(seen),
      logText(job, seen),
      retryText({ job, configuration: { action, namespace, name } }),
    ];
    return sentences.filter((sentence) => sentence !== '').join(' ');
  };
  return {
    name: `${action}-failed.${job.uid}`,
    reason: reasons[action],
    action: 'explain',
    // With the longest names only the commands of kubectl fit.
    note: shortEnough([noteOf(shown) + command, noteOf(shown), noteOf(short)]),
  };
}
