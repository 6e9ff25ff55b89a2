import type { ServerNames } from '../certs/certificate-set.ts';
import { reasons } from '../certs/reason-texts.ts';
import { isTrustedBy, parseCertificate, servingProblem, validityProblem } from '../certs/x509.ts';
import type { OperatorError } from '../lib/errors.ts';
import type { Pem } from '../lib/pem.ts';
import { oneLine, truncate } from '../lib/text.ts';
import { timings } from '../lib/timings.ts';
import type { Memory } from './memory.ts';
import type { DaemonPhase } from './observe.ts';

/** The state of the daemon that the probes check. */
export interface Health extends Pick<Memory, 'presented' | 'liveBundle'> {
  readonly phase: DaemonPhase | 'draining';
  /** When the reconcile loop last began a reconcile. */
  readonly beatAt?: Date | undefined;
  /** The error of the last pass; `undefined` if it succeeded. */
  readonly failure?: OperatorError | undefined;
}

/** The result of one check of a probe; `problem` is `undefined` if the check passed. */
export interface Check {
  readonly name: string;
  readonly problem: string | undefined;
}

const STALE_MS = timings.liveness.longestMs;
/** Maximum length of the error text in the answer of a probe, in characters. */
const LONGEST_CAUSE = 500;

/**
 * Returns the checks that decide whether the replica may receive admission requests. An expired certificate fails its
 * check.
 *
 * A failed reconcile fails no check, because the replica can still answer admission requests. If another check fails,
 * the list of checks ends with the error of the last reconcile, because that error is the probable cause. No check
 * depends on the time at which the CA bundle was last read.
 */
export function readiness(health: Health, names: ServerNames, now: Date): Check[] {
  const checks = [
    { name: 'endpoint', problem: health.presented ? undefined : 'no serving certificate yet' },
    { name: 'certificate', problem: certificateProblem(health, names, now) },
    { name: 'registration', problem: trustProblem(health, now) },
    { name: 'shutdown', problem: health.phase === 'draining' ? 'the replica is shutting down' : undefined },
  ];
  const { failure } = health;
  const isCause = failure !== undefined && checks.some(({ problem }) => problem !== undefined);
  return isCause ? [...checks, { name: 'reconcile', problem: causeText(failure) }] : checks;
}

const causeText = ({ code, message }: OperatorError): string => truncate(`${code}: ${oneLine(message)}`, LONGEST_CAUSE);

/** What has been reached when a pass has ended. */
interface Reached {
  readonly hasSucceeded: boolean;
  /** Whether the Lease was checked, or the check timed out, before the pass began. */
  readonly isLeaseChecked: boolean;
  /** The readiness checks after the pass. */
  readonly checks: readonly Check[];
}

/** Returns the phase after a pass. A daemon enters at most one phase with each pass. Pure. */
export function nextPhase(phase: DaemonPhase, { hasSucceeded, isLeaseChecked, checks }: Reached): DaemonPhase {
  // API servers call a replica whose readiness checks pass, even if its last pass has failed.
  const isCalled = checks.every(({ problem }) => problem === undefined);
  if (phase === 'starting') return hasSucceeded || isCalled ? 'serving' : phase;
  return hasSucceeded && isLeaseChecked ? 'running' : phase;
}

/** Returns the check that fails if the reconcile loop hangs, so that the kubelet restarts the replica. */
export function liveness({ beatAt }: Health, now: Date): Check[] {
  const ageMs = beatAt ? now.getTime() - beatAt.getTime() : 0;
  const problem = ageMs > STALE_MS ? `the last reconcile began ${Math.round(ageMs / 1000)} s ago` : undefined;
  return [{ name: 'reconcile-loop', problem }];
}

function certificateProblem({ presented }: Health, names: ServerNames, now: Date): string | undefined {
  const certificate = parseCertificate(presented ?? '');
  if (certificate === undefined) return 'no serving certificate yet';
  const reason = servingProblem(certificate, names) ?? validityProblem(certificate, now);
  return reason && reasons[reason];
}

function trustProblem({ presented, liveBundle }: Health, now: Date): string | undefined {
  if (liveBundle === undefined) return 'the CA bundle has not been read back from the API server yet';
  const isVerified = isTrustedBy(presented ?? ('' as Pem), liveBundle, now);
  return isVerified ? undefined : 'the live CA bundle does not verify the serving certificate';
}
