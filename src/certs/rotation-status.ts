import { phaseEnd } from './ca-rotation.ts';
import type { CertificateOptions, CertificateSet, Phase } from './certificate-set.ts';

/** What each phase of a rotation waits for, for people. */
const waitsFor: Readonly<Record<Phase, string | undefined>> = {
  stable: undefined,
  publishing: 'the live CA bundle to hold the new certificate authority',
  settling: 'every API server to see the new CA bundle',
  retiring: 'every replica to present a certificate of the new authority',
};

export type RotationFacts = ReturnType<typeof rotationFacts>;

/** The phase of a rotation, as commands show it; `until` is when the phase ends, if that depends on time alone. */
export function rotationFacts({ phase, phaseSince }: CertificateSet, { settleMs }: CertificateOptions) {
  return {
    phase,
    since: phase === 'stable' ? undefined : phaseSince,
    waitsFor: waitsFor[phase],
    until: phase === 'settling' || phase === 'retiring' ? phaseEnd(phaseSince, settleMs) : undefined,
  };
}

/** A running daemon reconciles every minute, so a step that is overdue for two minutes will not be taken. */
const GRACE_MS = 120_000;

/** Whether a rotation has stopped on its way. */
export function isStuck({ phase, phaseSince }: CertificateSet, { settleMs }: CertificateOptions, now: Date): boolean {
  const end = phaseEnd(phaseSince, (phase === 'publishing' ? 0 : settleMs) + GRACE_MS);
  return phase !== 'stable' && end !== undefined && now > end;
}
