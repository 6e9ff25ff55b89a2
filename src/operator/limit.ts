import { OperatorError } from '../lib/errors.ts';
import { repairDelayMs } from '../lib/repair-limiter.ts';
import type { Memory } from './memory.ts';
import type { Plan, Planned } from './plan.ts';

/** Why a write that is needed is not made now: a person has paused writes, or another writer keeps reverting it. */
export type WriteHold = { readonly by: 'paused' } | { readonly by: 'conflict'; readonly delayMs: number };

/** A plan in which some steps are delayed. What is presented is never delayed. */
export interface LimitedPlan extends Plan {
  readonly held: Readonly<Record<'secret' | 'registration', WriteHold | undefined>>;
}

/** Decides which steps of a plan may be taken now. Pure. @param reference the Secret, as messages name it. */
export function limit(plan: Plan, { repairs }: Memory, reference: string): LimitedPlan {
  const { now } = plan.observed;
  const hold = ({ step, isRepair }: Planned<unknown>, object: keyof typeof repairs): WriteHold | undefined => {
    if (step === undefined) return undefined;
    if (plan.isPaused) return { by: 'paused' };
    const delayMs = isRepair ? repairDelayMs(repairs[object], now) : 0;
    return delayMs > 0 ? { by: 'conflict', delayMs } : undefined;
  };
  const held = { secret: hold(plan.secret, 'secret'), registration: hold(plan.registration, 'registration') };
  // Nothing that is stored can be presented, and it must not be written.
  const isStuck = plan.secret.findings?.isUsable === false;
  const failure = held.secret && isStuck ? heldProblem(plan.secret.reason, held.secret.by, reference) : undefined;
  return { ...plan, held, failure: plan.failure ?? failure };
}

function heldProblem(reason: string, by: WriteHold['by'], reference: string): OperatorError {
  const why =
    by === 'paused'
      ? 'its annotation terraform.job.kb.io/paused=true forbids that. ' +
        `To go on: kubectl -n ${reference.replace('/', ' annotate secret ')} terraform.job.kb.io/paused-`
      : 'somebody else undoes that again and again: waiting';
  return new OperatorError('WRITES_PAUSED', `Secret ${reference} has to be written (${reason}), but ${why}`);
}
