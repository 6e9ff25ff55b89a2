import { isPublished } from './bundle.ts';
import type { CertificateOptions, CertificateSet } from './certificate-set.ts';
import type { Situation } from './situation.ts';

/** What brings a rotation from one phase into the next. */
export type RotationStep =
  /** The new authority was read back from the live registration: begin to wait. */
  | { readonly action: 'settle' }
  /** Somebody has taken the new authority out of the live bundle again: all over. */
  | { readonly action: 'publish' }
  /** The new authority takes over; the time in which the old one retires begins. */
  | { readonly action: 'switch' }
  /** The old authorities leave the bundle. */
  | { readonly action: 'retire' };

/** Nothing to do yet; where it depends on time alone, until when. */
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

/** How much of the settle time is left by both clocks: the one that wrote the beginning of the phase, and ours. */
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

/** Whether the phase was begun by a clock that is ahead of ours, or by hand. */
export const isAhead = ({ phaseSince }: Pick<CertificateSet, 'phaseSince'>, now: Date): boolean =>
  phaseSince !== undefined && phaseSince > now;

/** When the phase has lasted long enough, by the clock that has written its beginning. */
export const phaseEnd = (
  { phaseSince }: Pick<CertificateSet, 'phaseSince'>,
  { settleMs }: Pick<CertificateOptions, 'settleMs'>,
): Date | undefined => phaseSince && new Date(phaseSince.getTime() + settleMs);

/** What makes a phase the same one when it is seen again. */
export const phaseKey = ({ phase, phaseSince, caBundle }: CertificateSet): string =>
  [phase, phaseSince?.toISOString(), caBundle].join(' ');
