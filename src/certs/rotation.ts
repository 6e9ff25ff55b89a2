import type { Pem } from '../encodings.ts';
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

/** The next step of the rotation that is under way, as the Secret, the live CA bundle and the clock tell. */
export function judgeRotation(
  set: CertificateSet,
  options: CertificateOptions,
  { now, liveBundle }: { readonly now: Date; readonly liveBundle?: Pem | undefined },
): RotationStep | Wait {
  if (set.phase === 'stable') return WAIT;
  if (set.phase === 'retiring') return atEnd(set, options, now, { ended: 'retire', unknown: 'switch' });
  const isRead = isPublished(set.caBundle, liveBundle);
  if (set.phase === 'publishing') return isRead ? { action: 'settle' } : WAIT;
  if (!isRead) return { action: 'publish' };
  return atEnd(set, options, now, { ended: 'switch', unknown: 'settle' });
}

/** A phase without a known beginning begins again. */
function atEnd(
  set: CertificateSet,
  options: CertificateOptions,
  now: Date,
  { ended, unknown }: Record<'ended' | 'unknown', RotationStep['action']>,
): RotationStep | Wait {
  const end = phaseEnd(set, options, now);
  if (end === undefined) return { action: unknown };
  return now >= end ? { action: ended } : { action: 'wait', until: end };
}

/** When the phase has lasted long enough. A beginning in the future was written by a clock that is wrong, or by hand. */
export function phaseEnd(
  { phaseSince }: Pick<CertificateSet, 'phaseSince'>,
  { settleMs }: Pick<CertificateOptions, 'settleMs'>,
  now: Date,
): Date | undefined {
  if (phaseSince === undefined || phaseSince.getTime() > now.getTime() + settleMs) return undefined;
  return new Date(phaseSince.getTime() + settleMs);
}
