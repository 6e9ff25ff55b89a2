import type { Pem } from '../lib/pem.ts';
import { isPublished } from './bundle.ts';
import type { CertificateOptions, CertificateSet } from './certificate-set.ts';

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

/** What the next step depends on beside the set. */
export interface RotationCircumstances {
  readonly now: Date;
  readonly liveBundle?: Pem | undefined;
  /**
   * For how long this process has seen the phase as it is. The beginning in the Secret was written by the clock of
   * another machine, which may be ahead or behind; without this, that is trusted alone.
   */
  readonly phaseSeenMs?: number | undefined;
}

/** The next step of the rotation that is under way, as the Secret, the live CA bundle and the clocks tell. */
export function judgeRotation(
  set: CertificateSet,
  options: CertificateOptions,
  circumstances: RotationCircumstances,
): RotationStep | Wait {
  if (set.phase === 'stable') return WAIT;
  if (set.phase === 'retiring') return atEnd(set, options, circumstances, { ended: 'retire', unknown: 'switch' });
  const isRead = isPublished(set.caBundle, circumstances.liveBundle);
  if (set.phase === 'publishing') return isRead ? { action: 'settle' } : WAIT;
  if (!isRead) return { action: 'publish' };
  return atEnd(set, options, circumstances, { ended: 'switch', unknown: 'settle' });
}

/** A phase without a known beginning begins again. One is over when both clocks say so: the written and our own. */
function atEnd(
  set: CertificateSet,
  { settleMs }: CertificateOptions,
  { now, phaseSeenMs = Number.POSITIVE_INFINITY }: RotationCircumstances,
  { ended, unknown }: Record<'ended' | 'unknown', RotationStep['action']>,
): RotationStep | Wait {
  const end = phaseEnd(set, { settleMs });
  if (end === undefined) return { action: unknown };
  // A beginning in the future tells nothing but that the clocks differ.
  const isFuture = isAhead(set, now);
  const leftMs = Math.max(settleMs - phaseSeenMs, isFuture ? 0 : end.getTime() - now.getTime());
  return leftMs <= 0 ? { action: ended } : { action: 'wait', until: new Date(now.getTime() + leftMs) };
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
