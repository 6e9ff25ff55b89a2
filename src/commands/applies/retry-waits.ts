import { setTimeout as delay } from 'node:timers/promises';
import { OperatorError } from '../../lib/errors.ts';
import { touchCommand } from '../../terraform/retry-commands.ts';
import { withKubeconfig } from '../kubectl-hints.ts';
import type { ProgressOutput } from '../terminal.ts';
import type { Apply } from './apply.ts';
import {
  type Changed,
  type ConfigurationChange,
  type Created,
  type Progress,
  progressOf,
  type Ready,
  runOf,
} from './retry-plan.ts';
import { type RetryTarget, readAgain, readState } from './retry-state.ts';

export interface Waiting extends RetryTarget, ProgressOutput {
  readonly plan: Ready;
  /** Ends the wait. */
  readonly stop: AbortSignal;
}

const POLL_MS = 1_000;
/**
 * Time between two changes of the annotation. terraform-controller reads Jobs from a cache, which can still have the
 * deleted Job when the first change arrives. Then only a further change makes terraform-controller create the Job.
 */
const TOUCH_MS = 5_000;
/** Time for terraform-controller to create the Job. A running terraform-controller needs at most 15 s. */
const CREATED_MS = 60_000;

const pause = (signal: AbortSignal) => delay(POLL_MS, undefined, { signal }).catch(() => undefined);
const seconds = (ms: number): string => `${Math.round(ms / 1000)} s`;

/** The new Job was not seen. `why` has what the user must still do. */
export type NotCreated =
  | { readonly step: 'interrupted'; readonly why: string }
  | { readonly step: 'not-created'; readonly why: string };

/** Annotates the Configuration until its Job is there again, or until another user has deleted the Configuration. */
export async function untilCreated(waiting: Waiting): Promise<Created | Changed | NotCreated> {
  const { stop, show } = waiting;
  const touch = createTouch(waiting);
  const startMs = performance.now();
  while (!stop.aborted) {
    const { progress, problem } = await attempt(waiting, touch.ifDue);
    if (progress.step !== 'wait') return progress;
    const waitedMs = performance.now() - startMs;
    if (waitedMs >= CREATED_MS || problem?.retryable === false) {
      return { step: 'not-created', why: `${problem?.message ?? NOT_CREATED}\n${whatIsLeft(waiting, touch.isDone())}` };
    }
    show(`waiting for terraform-controller to create the Job, ${seconds(waitedMs)}`);
    await pause(stop);
  }
  return { step: 'interrupted', why: whatIsLeft(waiting, touch.isDone()) };
}

const NOT_CREATED = `terraform-controller has not created the Job within ${CREATED_MS / 1000} s: does it run? kubectl get pods -A | grep terraform-controller`;

interface Attempt {
  readonly progress: Progress;
  /** Why a call failed. */
  readonly problem?: OperatorError;
}

async function attempt(waiting: Waiting, touch: () => Promise<void>): Promise<Attempt> {
  try {
    await touch();
    return { progress: progressOf(await readState(waiting), waiting.plan) };
  } catch (error) {
    if (!(error instanceof OperatorError)) throw error;
    return { progress: { step: 'wait' }, problem: error };
  }
}

/** Returns a function that changes the annotation at once, and then every few seconds. */
function createTouch({ plan: { configuration }, store, say }: Waiting) {
  let touchedMs: number | undefined;
  return {
    isDone: () => touchedMs !== undefined,
    async ifDue(): Promise<void> {
      const nowMs = performance.now();
      if (touchedMs !== undefined && nowMs - touchedMs < TOUCH_MS) return;
      // If the Configuration was deleted, the next read reports it.
      if (!(await store.touch(configuration, new Date()))) return;
      if (touchedMs === undefined) say(`annotated Configuration ${configuration.namespace}/${configuration.name}`);
      touchedMs = nowMs;
    },
  };
}

function whatIsLeft({ plan: { step, configuration }, kubeconfig }: Waiting, isTouched: boolean): string {
  const job = step === 'retry' ? 'The failed Job is deleted' : 'The Configuration has no Job';
  return isTouched
    ? `${job}, and the Configuration is annotated. terraform-controller creates the Job when it reads the Configuration.`
    : `${job}, and the Configuration is not annotated. This annotation makes terraform-controller create the Job:\n  ${withKubeconfig(touchCommand(configuration, new Date().toISOString()), kubeconfig)}`;
}

/** How the wait for the end of a Job ended. */
export type RunEnd = Apply | ConfigurationChange | 'gone' | 'interrupted';

/**
 * Waits for the end of the new Job. After a successful destroy, terraform-controller deletes the Job and then removes
 * the Configuration, so a missing Job is no failure for a while.
 */
export async function untilEnded(waiting: Waiting, { job }: Apply): Promise<RunEnd> {
  const { plan } = waiting;
  const { action } = plan;
  const graceMs = action === 'destroy' ? CREATED_MS : 0;
  const startMs = performance.now();
  let goneMs = Number.POSITIVE_INFINITY;
  while (!waiting.stop.aborted) {
    const state = await readAgain(waiting);
    const run = state && runOf(state, plan, job.uid);
    const nowMs = performance.now();
    if (run === 'gone') goneMs = Math.min(goneMs, nowMs);
    else if (run !== undefined && !(typeof run === 'object' && run.state === 'running')) return run;
    if (nowMs - goneMs >= graceMs) return 'gone';
    // The Pod of the Job can still wait for its image.
    waiting.show(`the ${action} Job has not ended, ${seconds(nowMs - startMs)}`);
    await pause(waiting.stop);
  }
  return 'interrupted';
}
