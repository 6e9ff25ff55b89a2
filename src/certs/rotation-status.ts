import type { CertificateOptions, CertificateSet, Phase } from './certificate-set.ts';
import { phaseEnd } from './rotation.ts';

/** What each phase of a rotation waits for, for people. */
export const waitsFor: Readonly<Record<Phase, string | undefined>> = {
  stable: undefined,
  publishing: 'the live CA bundle to hold the new certificate authority',
  settling: 'every API server to see the new CA bundle',
  retiring: 'every replica to present a certificate of the new authority',
};

/** The phase of a rotation, as commands show it. */
export interface RotationFacts {
  readonly phase: Phase;
  readonly since: Date | undefined;
  readonly waitsFor: string | undefined;
  /** When the phase ends, if that depends on time alone. */
  readonly until: Date | undefined;
}

export function rotationFacts(
  { phase, phaseSince }: Pick<CertificateSet, 'phase' | 'phaseSince'>,
  options: Pick<CertificateOptions, 'settleMs'>,
): RotationFacts {
  const isTimed = phase === 'settling' || phase === 'retiring';
  return {
    phase,
    since: phase === 'stable' ? undefined : phaseSince,
    waitsFor: waitsFor[phase],
    until: isTimed ? phaseEnd({ phaseSince }, options) : undefined,
  };
}

/** A running daemon reconciles every minute, so a step that is overdue for two minutes will not be taken. */
const GRACE_MS = 120_000;

/** Whether a rotation has stopped on its way. */
export function isStuck(
  { phase, phaseSince }: Pick<CertificateSet, 'phase' | 'phaseSince'>,
  { settleMs }: Pick<CertificateOptions, 'settleMs'>,
  now: Date,
): boolean {
  if (phase === 'stable' || phaseSince === undefined) return false;
  const timeMs = phase === 'publishing' ? 0 : settleMs;
  return now.getTime() > phaseSince.getTime() + timeMs + GRACE_MS;
}
