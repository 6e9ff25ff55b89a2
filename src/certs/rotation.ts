import { isPublished } from './bundle.ts';
import type { CertificateOptions, CertificateSet } from './certificate-set.ts';
import type { Situation } from './situation.ts';

/** What brings a rotation from one phase into the next. */
export type RotationStep =
  /** The new CA was read back from the live CA bundle: the settle time begins. */
  | { readonly action: 'settle' }
  /** Another writer has removed the new CA from the live bundle: publish again. */
  | { readonly action: 'publish' }
  /** The new CA takes over; a settle time later the old one retires. */
  | { readonly action: 'switch' }
  /** The old CAs leave the bundle. */
  | { readonly action: 'retire' };

/** No step yet; `until` is set if the next one depends on time alone. */
export interface Wait {
  readonly action: 'wait';
  readonly until?: Date;
}

const WAIT: Wait = { action: 'wait' };

/** The next step of the rotation that is under way, decided from the Secret, the live CA bundle and the clocks. */
export function nextRotationStep(
  set: CertificateSet,
  options: CertificateOptions,
  situation: Situation,
): RotationStep | Wait {
  const { phase } = set;
  if (phase === 'stable') return WAIT;
  const isRead = isPublished(set.caBundle, situation.liveBundle);
  if (phase === 'publishing') return isRead ? { action: 'settle' } : WAIT;
  if (phase === 'settling' && !isRead) return { action: 'publish' };
  const leftMs = remainingMs(set, options, situation);
  // A phase without a known beginning begins again.
  if (leftMs === undefined) return { action: phase === 'settling' ? 'settle' : 'switch' };
  if (leftMs > 0) return { action: 'wait', until: new Date(situation.now.getTime() + leftMs) };
  return { action: phase === 'settling' ? 'switch' : 'retire' };
}

/**
 * How much of the settle time is left by both clocks: the one that wrote the beginning of the phase, and ours. By the
 * written time alone, a replica whose clock is two minutes ahead switched too early in a trial, and calls were lost.
 */
function remainingMs(
  set: CertificateSet,
  { settleMs }: CertificateOptions,
  { now, phaseSeenMs = Number.POSITIVE_INFINITY }: Situation,
): number | undefined {
  const end = phaseEnd(set, { settleMs });
  if (end === undefined) return undefined;
  // A beginning in the future says only that the clocks differ.
  const writtenMs = isAhead(set, now) ? 0 : end.getTime() - now.getTime();
  return Math.max(settleMs - phaseSeenMs, writtenMs);
}

/** Whether the beginning of the phase was written by a clock that is ahead of ours, or by hand. */
export const isAhead = ({ phaseSince }: Pick<CertificateSet, 'phaseSince'>, now: Date): boolean =>
  phaseSince !== undefined && phaseSince > now;

/** When the phase has lasted for the settle time, by the clock that wrote its beginning. */
export const phaseEnd = (
  { phaseSince }: Pick<CertificateSet, 'phaseSince'>,
  { settleMs }: Pick<CertificateOptions, 'settleMs'>,
): Date | undefined => phaseSince && new Date(phaseSince.getTime() + settleMs);

/** Identifies a phase, so that a process can measure for how long it has seen it. */
export const phaseKey = ({ phase, phaseSince, caBundle }: CertificateSet): string =>
  [phase, phaseSince?.toISOString(), caBundle].join(' ');
