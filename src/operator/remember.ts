import { phaseKey } from '../certs/ca-rotation.ts';
import { flawOf } from '../certs/secret.ts';
import { isOurs } from '../certs/secret-ownership.ts';
import type { Pem } from '../lib/pem.ts';
import { withRepair } from '../lib/repair-limiter.ts';
import { liveBundle } from '../registration/registration-step.ts';
import { isTried, type PassOutcome } from './apply.ts';
import type { Memory } from './memory.ts';

/** Returns the memory for the next pass. Pure. */
export function remember(memory: Memory, outcome: PassOutcome): Memory {
  const { plan, registration, presented } = outcome;
  const { registration: read } = plan.observed;
  const { findings, fingerprint } = plan.registration;
  const isPublished = registration.result === 'written' || findings?.isDrifted === false;
  return {
    ...memory,
    ...('value' in read && { liveBundle: liveBundle(registration.value ?? read.value) ?? ('' as Pem) }),
    presented: presented?.certificate ?? memory.presented,
    presentedKey: presented?.privateKey ?? memory.presentedKey,
    kept: keptSecret(memory, outcome),
    lastGood: plan.read ?? memory.lastGood,
    isPaused: plan.isPaused,
    phaseSeen: seenPhase(memory, outcome),
    published: findings && isPublished ? { ...memory.published, [findings.scope]: fingerprint } : memory.published,
    repairs: {
      secret: countRepair(memory, outcome, 'secret'),
      registration: countRepair(memory, outcome, 'registration'),
    },
  };
}

/** Counts a repair only if it was written or met a conflict: another writer cannot have reverted a failed write. */
function countRepair({ repairs }: Memory, outcome: PassOutcome, object: keyof Memory['repairs']) {
  const { isRepair } = outcome.plan[object];
  return isRepair && isTried(outcome[object])
    ? withRepair(repairs[object], outcome.plan.observed.now)
    : repairs[object];
}

function keptSecret({ kept }: Memory, { plan: { observed } }: PassOutcome): Memory['kept'] {
  const { certificates } = observed;
  if ('error' in certificates || !('stored' in certificates.value)) return kept;
  const { stored } = certificates.value;
  if (stored === undefined) return kept;
  return isOurs(stored) && flawOf(stored) !== undefined ? stored : undefined;
}

function seenPhase({ phaseSeen }: Memory, { plan: { secret, observed } }: PassOutcome): Memory['phaseSeen'] {
  const set = secret.findings?.set;
  if (set === undefined || phaseKey(set) === phaseSeen?.key) return phaseSeen;
  return { key: phaseKey(set), sinceMs: observed.uptimeMs };
}
