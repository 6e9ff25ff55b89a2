import { isPublished } from './bundle.ts';
import type { CertificateOptions, CertificateSet } from './certificate-set.ts';
import type { Situation } from './situation.ts';

/**
 * What brings a rotation from one phase into the next.
 *
 * - `settle`: the new CA was read back from the live CA bundle, and the settle time begins.
 * - `publish`: another writer has removed the new CA from the live bundle, which must hold it again.
 * - `switch`: the new CA takes over; a settle time later the old one retires.
 * - `retire`: the old CAs leave the bundle.
 */
export interface RotationStep {
  readonly action: 'settle' | 'publish' | 'switch' | 'retire';
}

/**
 * The next step of the rotation that is under way, decided from the Secret, the live CA bundle and the clocks; `until` is
 * set if it depends on time alone.
 */
export function nextRotationStep(
  { phase, phaseSince, caBundle }: CertificateSet,
  { settleMs }: CertificateOptions,
  { now, liveBundle, phaseSeenMs = Number.POSITIVE_INFINITY }: Situation,
): RotationStep | { readonly action: 'wait'; readonly until?: Date } {
  if (phase === 'stable') return { action: 'wait' };
  const isRead = isPublished(caBundle, liveBundle);
  if (phase === 'publishing') return isRead ? { action: 'settle' } : { action: 'wait' };
  if (phase === 'settling' && !isRead) return { action: 'publish' };
  const end = phaseEnd(phaseSince, settleMs);
  // A phase without a known beginning begins again.
  if (end === undefined) return { action: phase === 'settling' ? 'settle' : 'switch' };
  // By both clocks: the one that wrote the beginning of the phase, and ours. By the written time alone, a replica whose
  // clock is two minutes ahead switched too early in a trial, and calls were lost. A beginning in the future says only
  // that the clocks differ.
  const writtenMs = isAhead(phaseSince, now) ? 0 : end.getTime() - now.getTime();
  const leftMs = Math.max(settleMs - phaseSeenMs, writtenMs);
  if (leftMs > 0) return { action: 'wait', until: new Date(now.getTime() + leftMs) };
  return { action: phase === 'settling' ? 'switch' : 'retire' };
}

/** Whether the beginning of the phase was written by a clock that is ahead of ours, or by hand. */
export const isAhead = (phaseSince: Date | undefined, now: Date): boolean =>
  phaseSince !== undefined && phaseSince > now;

/** When the phase has lasted for the settle time, by the clock that wrote its beginning. */
export const phaseEnd = (phaseSince: Date | undefined, settleMs: number): Date | undefined =>
  phaseSince && new Date(phaseSince.getTime() + settleMs);

/** Identifies a phase, so that a process can measure for how long it has seen it. */
export const phaseKey = ({ phase, phaseSince, caBundle }: CertificateSet): string =>
  [phase, phaseSince?.toISOString(), caBundle].join(' ');
