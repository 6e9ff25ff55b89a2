import type { ServerNames } from '../certs/certificate-set.ts';
import { reasons } from '../certs/reason-texts.ts';
import { isTrustedBy, parseCertificate, servingProblem, validityProblem } from '../certs/x509.ts';
import type { Pem } from '../lib/pem.ts';
import { timings } from '../lib/timings.ts';
import type { Memory } from './memory.ts';
import type { DaemonPhase } from './observe.ts';

/** What the daemon knows of itself, as the probes read it. */
export interface Health extends Pick<Memory, 'presented' | 'liveBundle'> {
  readonly phase: DaemonPhase | 'draining';
  /** When the reconcile loop last began a pass. */
  readonly beatAt?: Date | undefined;
}

/** One thing that is looked at, and what is wrong with it. */
export interface Check {
  readonly name: string;
  readonly problem: string | undefined;
}

const STALE_MS = timings.liveness.longestMs;

/**
 * Whether the replica may receive calls. All of it is judged at `now`: a certificate that has expired is not ready. What was
 * read long ago is no reason: without an API server that answers, none calls either, and no other replica would know more.
 */
export function readiness(health: Health, names: ServerNames, now: Date): Check[] {
  return [
    { name: 'endpoint', problem: health.presented ? undefined : 'presents no certificate yet' },
    { name: 'certificate', problem: certificateProblem(health, names, now) },
    { name: 'registration', problem: trustProblem(health, now) },
    { name: 'shutdown', problem: health.phase === 'draining' ? 'the replica is shutting down' : undefined },
  ];
}

/** Whether the replica works at all, or must be restarted. */
export function liveness({ beatAt }: Health, now: Date): Check[] {
  const ageMs = beatAt ? now.getTime() - beatAt.getTime() : 0;
  const problem = ageMs > STALE_MS ? `the reconcile loop was last awake ${Math.round(ageMs / 1000)} s ago` : undefined;
  return [{ name: 'reconcile-loop', problem }];
}

function certificateProblem({ presented }: Health, names: ServerNames, now: Date): string | undefined {
  const certificate = parseCertificate(presented ?? '');
  if (certificate === undefined) return 'there is none yet';
  const reason = servingProblem(certificate, names) ?? validityProblem(certificate, now);
  return reason && reasons[reason];
}

function trustProblem({ presented, liveBundle }: Health, now: Date): string | undefined {
  if (liveBundle === undefined) return 'the CA bundle was not read back from the API server yet';
  const isVerified = isTrustedBy(presented ?? ('' as Pem), liveBundle, now);
  return isVerified ? undefined : 'the live CA bundle does not verify the serving certificate';
}
