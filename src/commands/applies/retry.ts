import { type ExitCode, exitCodes } from '../../cli/exit-codes.ts';
import type { CallJson } from '../../kube/requests.ts';
import { oneLine } from '../../lib/text.ts';
import { timings } from '../../lib/timings.ts';
import { endingText, logCommandOf } from '../../terraform/ending-text.ts';
import { firstSignal } from '../first-signal.ts';
import { withKubeconfig } from '../kubectl-hints.ts';
import { isAllowed } from '../rights.ts';
import type { ProgressOutput } from '../terminal.ts';
import type { Apply } from './apply.ts';
import type { Answer } from './ask.ts';
import { readEnding } from './observations.ts';
import { afterConflict, type ConfigurationChange, type Created, planRetry, type Ready } from './retry-plan.ts';
import { type RetryTarget, readNearNames, readState } from './retry-state.ts';
import { untilCreated, untilEnded, type Waiting } from './retry-waits.ts';

/** What the user asked for, and how to talk to the user. */
export interface Retry extends RetryTarget, ProgressOutput {
  readonly callJson: CallJson;
  /** The URL of the API server. */
  readonly server: string;
  readonly startedAt: Date;
  readonly yes: boolean | undefined;
  readonly wait: boolean | undefined;
  /** Asks a question; `undefined` if there is no terminal. */
  readonly ask: ((question: string) => Promise<Answer>) | undefined;
}

/**
 * Deletes the failed Job of a Configuration and changes an annotation of the Configuration, so that each version of
 * terraform-controller creates the Job again. The deletion is conditional, so that two users cause one run.
 *
 * @returns the exit code.
 * @throws OperatorError with a `KUBE_…` code if the API server rejects a call before the first write.
 */
export async function retry(request: Retry): Promise<ExitCode> {
  const plan = planRetry(request, await readState(request), request.startedAt);
  if (plan.step === 'refuse') return notDone(request, plan.why + (plan.isUnknown ? await nearText(request) : ''));
  const missing = await missingRight(request, plan);
  if (missing !== undefined) return notDone(request, missing);
  await present(request, plan);
  const refusal = request.yes ? undefined : await refusalOf(request, plan);
  if (refusal !== undefined) return refusal;
  const stop = firstSignal();
  const waiting = { ...request, plan, stop };
  const deletion = plan.step === 'retry' ? await deleteJob(waiting, plan.apply) : 'deleted';
  if (deletion === 'lost') {
    return notDone(request, 'other writers changed the Job during each attempt to delete it. Try again.');
  }
  if (deletion !== 'deleted') return changed(waiting, deletion);
  const created = await untilCreated(waiting);
  if (created.step === 'not-created') return notDone(request, created.why);
  if (created.step === 'interrupted') return interrupted(request, created.why);
  if (!('apply' in created)) return changed(waiting, created.step);
  return reportNew(waiting, created);
}

/** Asks the user. Resolves with the exit code if the user does not confirm; `undefined` after a yes. */
async function refusalOf(request: Retry, { action }: Ready): Promise<ExitCode | undefined> {
  const answer = await request.ask?.(`Run terraform ${action} again?`);
  if (answer === undefined) return notDone(request, 'there is no terminal to ask on. To skip the confirmation: --yes');
  if (answer === 'interrupted') return interrupted(request, 'Nothing was changed.');
  return answer === 'no' ? notDone(request, 'aborted') : undefined;
}

function notDone({ say }: ProgressOutput, why: string): ExitCode {
  say(`not done: ${why}`);
  return exitCodes.failed;
}

function interrupted({ say }: ProgressOutput, why: string): ExitCode {
  say(`interrupted. ${why}`);
  return exitCodes.interrupted;
}

const WITHOUT_CONFIGURATION =
  '. A Job without a Configuration runs again if you delete it and create it again with kubectl.';

async function nearText(request: RetryTarget): Promise<string> {
  const near = await readNearNames(request);
  return near.length > 0 ? `. Did you mean ${near.join(' or ')}?` : WITHOUT_CONFIGURATION;
}

/** Returns which right is missing, so that the command does nothing without the rights to all of it. */
async function missingRight(
  { callJson, kubeconfig }: Retry,
  { configuration, ...plan }: Ready,
): Promise<string | undefined> {
  const configurations = { verb: 'patch', group: 'terraform.core.oam.dev', resource: 'configurations' };
  const jobs = { verb: 'delete', group: 'batch', resource: 'jobs' };
  const needed = [
    ...(plan.step === 'retry' ? [{ ...jobs, namespace: plan.apply.job.namespace, name: plan.apply.job.name }] : []),
    { ...configurations, namespace: configuration.namespace, name: configuration.name },
  ];
  for (const right of needed) {
    if (await isAllowed(callJson, right)) continue;
    const { verb, group, resource, namespace, name } = right;
    const check = withKubeconfig(`kubectl auth can-i ${verb} ${resource}.${group}/${name} -n ${namespace}`, kubeconfig);
    return `the current user may not ${verb} ${resource} ${namespace}/${name}:\n  ${check}`;
  }
  return undefined;
}

/** Shows what runs again, and what is lost. */
async function present({ store, say, server, kubeconfig }: Retry, plan: Ready): Promise<void> {
  const { namespace, name, state } = plan.configuration;
  say(`Cluster ${server}`);
  say(`Configuration ${namespace}/${name}${state === '' ? '' : `, state ${oneLine(state)}`}`);
  if (plan.step === 'touch') {
    return say(`It has no ${plan.action} Job. terraform-controller creates one, which runs terraform ${plan.action}.`);
  }
  const { job } = plan.apply;
  const { ending } = await readEnding(store, plan.apply);
  const log = logCommandOf(job, ending);
  say(`Job ${job.namespace}/${job.name}: failed. ${endingText(ending)}`);
  if (log !== undefined) say(`Its log, which is deleted with the Job: ${withKubeconfig(log, kubeconfig)}`);
  say(
    `A retry deletes the Job. Then terraform-controller creates it again, and it runs terraform ${plan.action} once more.`,
  );
}

/** Deletes the failed Job. Resolves with `lost` if each attempt met another change of the same failed Job. */
async function deleteJob(waiting: Waiting, apply: Apply): Promise<'deleted' | 'lost' | ConfigurationChange> {
  let { job } = apply;
  for (let lost = 0; lost < timings.lostRace.tries; lost += 1) {
    if (await waiting.store.deleteJob(job)) {
      waiting.say(`deleted Job ${job.namespace}/${job.name}`);
      return 'deleted';
    }
    const left = afterConflict(await readState(waiting), waiting.plan, job.uid);
    if (left === 'deleted') waiting.say('another user has deleted the Job already');
    if (typeof left === 'string') return left;
    job = left;
  }
  return 'lost';
}

/** Reports the new Job, and with `--wait` how it ended. */
async function reportNew(waiting: Waiting & Retry, created: Created): Promise<ExitCode> {
  const { apply } = created;
  const { job, isCapped, backoffLimit, restartPolicy } = apply;
  const cause = isCapped ? '' : `. To find the cause: ${withKubeconfig('terraform-daemon check', waiting.kubeconfig)}`;
  const values = `backoffLimit ${backoffLimit}, restartPolicy ${restartPolicy}`;
  waiting.say(`created Job ${job.namespace}/${job.name}, ${isCapped ? 'capped' : 'not capped'}: ${values}${cause}`);
  if (created.step === 'ended') return ended(waiting, apply);
  if (!waiting.wait) return isCapped ? exitCodes.done : exitCodes.failed;
  const end = await untilEnded(waiting, apply);
  if (end === 'gone') return notDone(waiting, 'another user has deleted the new Job, so its result is not known');
  if (end === 'interrupted') {
    const list = withKubeconfig('terraform-daemon applies -A', waiting.kubeconfig);
    return interrupted(waiting, `The Job continues. Its state: ${list}`);
  }
  return typeof end === 'string' ? changed(waiting, end) : ended(waiting, end);
}

/** Reports that another user deleted the Configuration, or that the destroy has removed it. */
function changed(waiting: Waiting, change: ConfigurationChange): ExitCode {
  const { action, configuration } = waiting.plan;
  const name = `Configuration ${configuration.namespace}/${configuration.name}`;
  if (change === 'removed' && action === 'destroy') {
    waiting.say(`${name} is removed`);
    return exitCodes.done;
  }
  return notDone(waiting, `${name} was deleted meanwhile${changes[change]}`);
}

const changes = {
  removed: '',
  'being-deleted': ', so terraform-controller runs terraform destroy instead',
  recreated: ' and created again',
} as const;

async function ended({ store, say, kubeconfig, plan: { action } }: Waiting, apply: Apply): Promise<ExitCode> {
  if (apply.state === 'succeeded') {
    say(`terraform ${action} succeeded`);
    return exitCodes.done;
  }
  const { ending } = await readEnding(store, apply);
  const log = logCommandOf(apply.job, ending);
  say(`terraform ${action} failed. ${endingText(ending)}`);
  if (log !== undefined) say(`Its log: ${withKubeconfig(log, kubeconfig)}`);
  return exitCodes.failed;
}
