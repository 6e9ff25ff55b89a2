import { isPublished } from './bundle.ts';
import type { CertificateOptions, CertificateSet } from './certificate-set.ts';
import type { Situation } from './situation.ts';

/**
 * A step that begins a phase of a CA rotation. The settle time (`--settle-time`) is the time that every API server gets
 * to load a CA bundle.
 *
 * - `settle`: the live CA bundle has every CA of the set, so the settle time begins.
 * - `publish`: during the settle time, the live CA bundle lost a CA of the set, so the CA must be published again.
 * - `switch`: the new CA signs the serving certificate from now on; the old CA retires one settle time later.
 * - `retire`: the old CAs are removed from the bundle, and the rotation has finished.
 */
export interface RotationStep {
  readonly action: 'settle' | 'publish' | 'switch' | 'retire';
}

/**
 * Returns the next step of a CA rotation, or `wait`. `until` is set if the next step depends only on time.
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
  // If the start of the phase is unknown, the phase starts again now.
  if (end === undefined) return { action: phase === 'settling' ? 'settle' : 'switch' };
  // The settle time must pass by two clocks: the clock of the replica that wrote the start of the phase, and the clock
  // of this process. In a test that used only the written start, a replica whose clock was two minutes ahead switched
  // the CA too early, and calls of the webhook failed. If the written start is in the future, only the clock of this
  // process counts.
  const writtenMs = isAhead(phaseSince, now) ? 0 : end.getTime() - now.getTime();
  const leftMs = Math.max(settleMs - phaseSeenMs, writtenMs);
  if (leftMs > 0) return { action: 'wait', until: new Date(now.getTime() + leftMs) };
  return { action: phase === 'settling' ? 'switch' : 'retire' };
}

/** Whether the start of the phase is in the future by the clock of this process. */
export const isAhead = (phaseSince: Date | undefined, now: Date): boolean =>
  phaseSince !== undefined && phaseSince > now;

/** Returns the start of the phase plus the settle time, by the clock that wrote the start. */
export const phaseEnd = (phaseSince: Date | undefined, settleMs: number): Date | undefined =>
  phaseSince && new Date(phaseSince.getTime() + settleMs);

/**
 * Returns a string that changes whenever the rotation enters another phase or the CA bundle changes. The end of a rotation
 * does not change it, because then the same CA goes on signing.
 */
export const phaseKey = ({ phase, phaseSince, ca, caBundle }: CertificateSet): string =>
  phase === 'retiring' || phase === 'stable'
    ? `signing ${ca.certificate}`
    : [phase, phaseSince?.toISOString(), caBundle].join(' ');
