import { phaseEnd } from './ca-rotation.ts';
import type { CertificateOptions, CertificateSet, Phase } from './certificate-set.ts';

/** The event that each phase of a CA rotation waits for, as commands print it. */
const waitsFor: Readonly<Record<Phase, string | undefined>> = {
  stable: undefined,
  publishing: 'the live CA bundle to hold the new certificate authority',
  settling: 'every API server to see the new CA bundle',
  retiring: 'every replica to present a certificate of the new authority',
};

export type RotationFacts = ReturnType<typeof rotationFacts>;

/** Returns the rotation phase as commands print it. `until` is set if the end of the phase depends only on time. */
export function rotationFacts({ phase, phaseSince }: CertificateSet, { settleMs }: CertificateOptions) {
  return {
    phase,
    since: phase === 'stable' ? undefined : phaseSince,
    waitsFor: waitsFor[phase],
    until: phase === 'settling' || phase === 'retiring' ? phaseEnd(phaseSince, settleMs) : undefined,
  };
}

/** How long a step of a CA rotation may be overdue. A running daemon normally reconciles at least once a minute. */
const GRACE_MS = 120_000;

/** Whether the next step of a CA rotation is overdue by more than two minutes. */
export function isStuck({ phase, phaseSince }: CertificateSet, { settleMs }: CertificateOptions, now: Date): boolean {
  const end = phaseEnd(phaseSince, (phase === 'publishing' ? 0 : settleMs) + GRACE_MS);
  return phase !== 'stable' && end !== undefined && now > end;
}
