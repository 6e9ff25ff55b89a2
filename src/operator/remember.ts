import { phaseKey } from '../certs/rotation.ts';
import { type RepairHistory, withRepair } from '../lib/repair-limiter.ts';
import type { PassOutcome, StepOutcome } from './apply.ts';
import type { Memory } from './memory.ts';

/** The memory after an outcome. */
export function remember(memory: Memory, outcome: PassOutcome): Memory {
  const { plan, secret, registration } = outcome;
  const { observed } = plan;
  const isRead = 'value' in observed.registration;
  const isPublished = registration.result === 'written' || plan.registration.findings?.isDrifted === false;
  return {
    ...memory,
    presented: outcome.presented ?? memory.presented,
    liveBundle: isRead ? outcome.liveBundle : memory.liveBundle,
    readAt: isRead ? observed.now : memory.readAt,
    lastGood: plan.read ?? memory.lastGood,
    isPaused: plan.isPaused,
    phaseSeen: seenPhase(memory, outcome),
    published: isPublished ? plan.registration.fingerprint : memory.published,
    repairs: {
      secret: countRepair(memory.repairs.secret, secret, outcome),
      registration: countRepair(memory.repairs.registration, registration, outcome),
    },
  };
}

/** A repair that was refused, or did not reach the API server, was undone by nobody. */
function countRepair(
  history: RepairHistory | undefined,
  { result, isRepair }: StepOutcome,
  { plan }: PassOutcome,
): RepairHistory | undefined {
  const isMade = result === 'written' || result === 'lost';
  return isRepair && isMade ? withRepair(history, plan.observed.now) : history;
}

function seenPhase({ phaseSeen }: Memory, { plan: { secret, observed } }: PassOutcome): Memory['phaseSeen'] {
  const set = secret.findings?.set;
  if (set === undefined || phaseKey(set) === phaseSeen?.key) return phaseSeen;
  return { key: phaseKey(set), sinceMs: observed.uptimeMs };
}
