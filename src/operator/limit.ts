import { OperatorError } from '../lib/errors.ts';
import { repairDelayMs } from '../lib/repair-limiter.ts';
import type { Memory } from './memory.ts';
import type { Plan, Planned } from './plan.ts';

/** Why the daemon delays a needed write: a user has paused writes, or another writer keeps reverting the repair. */
export type WriteHold = { readonly by: 'paused' } | { readonly by: 'conflict'; readonly delayMs: number };

/**
 * A plan, and for each of its writes the reason if the daemon delays the write. The step that makes the endpoint
 * present another certificate is never delayed.
 */
export interface LimitedPlan extends Plan {
  readonly held: Readonly<Record<'secret' | 'registration', WriteHold | undefined>>;
}

/** Returns the plan with the reason for each delayed write. Pure. @param reference `namespace/name` of the Secret. */
export function limit(plan: Plan, { repairs }: Memory, reference: string): LimitedPlan {
  const { now } = plan.observed;
  const hold = ({ step, isRepair }: Planned<unknown>, object: keyof typeof repairs): WriteHold | undefined => {
    if (step === undefined) return undefined;
    if (plan.isPaused) return { by: 'paused' };
    const delayMs = isRepair ? repairDelayMs(repairs[object], now) : 0;
    return delayMs > 0 ? { by: 'conflict', delayMs } : undefined;
  };
  const held = { secret: hold(plan.secret, 'secret'), registration: hold(plan.registration, 'registration') };
  // Fail the pass if the stored certificates cannot be presented and the write of the Secret is held.
  const isStuck = plan.secret.findings?.isUsable === false;
  const failure = held.secret && isStuck ? heldProblem(plan.secret.reason, held.secret.by, reference) : undefined;
  return { ...plan, held, failure: plan.failure ?? failure };
}

function heldProblem(reason: string, by: WriteHold['by'], reference: string): OperatorError {
  const why =
    by === 'paused'
      ? 'its annotation terraform.job.kb.io/paused=true forbids writes. ' +
        `To allow writes: kubectl -n ${reference.replace('/', ' annotate secret ')} terraform.job.kb.io/paused-`
      : 'the repair is rate-limited, because another writer keeps reverting it';
  return new OperatorError('WRITES_PAUSED', `Secret ${reference} must be written (${reason}), but ${why}`);
}

/** Returns when the next certificate step or the next delayed repair is due; `undefined` if no step is planned. Pure. */
export function dueAt({ certificates, held, observed }: LimitedPlan): Date | undefined {
  const moments = [held.secret, held.registration].flatMap((one) =>
    one?.by === 'conflict' ? observed.now.getTime() + one.delayMs : [],
  );
  if (certificates?.until) moments.push(certificates.until.getTime());
  return moments.length === 0 ? undefined : new Date(Math.min(...moments));
}
