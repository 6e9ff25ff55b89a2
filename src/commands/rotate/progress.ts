import { isDeepStrictEqual } from 'node:util';
import type { CertificateOptions, CertificatePair, CertificateSet, Phase } from '../../certs/certificate-set.ts';
import { rotationFacts } from '../../certs/rotation-status.ts';
import { fromSecret, type StoredSecret } from '../../certs/secret.ts';
import { type Asked, askedFor, isPaused } from '../../certs/secret-annotations.ts';
import { isOurs } from '../../certs/secret-ownership.ts';
import { parseCertificate } from '../../certs/x509.ts';
import type { Config } from '../../cli/config.ts';
import { type ExitCode, exitCodes } from '../../cli/exit-codes.ts';
import { type Installation, repairCommands } from '../kubectl-hints.ts';
import type { Terminal } from '../terminal.ts';

/** The content of the Secret that shows the progress of a rotation. */
export interface RotationState {
  readonly set: CertificateSet;
  readonly asked: Asked | undefined;
}

export const rotationState = (stored: StoredSecret): RotationState => ({
  set: fromSecret(stored),
  asked: askedFor(stored),
});

/**
 * Returns why every daemon would ignore a rotation request on this Secret, with the command that fixes it; `undefined` if
 * nothing prevents the rotation.
 *
 * @param hint what the user can have mistyped if the Secret does not exist.
 */
export function obstacle(stored: StoredSecret | undefined, place: Installation, hint?: string): string | undefined {
  const { findPods, label, unpause } = repairCommands(place);
  const name = `Secret ${place.namespace}/${place.secretName}`;
  if (stored === undefined) {
    const step = hint ?? 'set --namespace and --secret-name to the names of the daemon';
    return `${name} does not exist: ${step}. To find the Pods of the daemon:\n  ${findPods}`;
  }
  if (!isOurs(stored))
    return `${name} has no managed-by label, so no daemon writes it. To let the daemon manage it:\n  ${label}`;
  if (isPaused(stored)) return `all writes of ${name} are paused. To resume:\n  ${unpause}`;
  return undefined;
}

/**
 * Returns the request to write. A pending request for a new CA stays, because it includes a new serving certificate.
 */
export const combineRequests = (wanted: Asked, before: Asked | undefined): Asked => (before === 'ca' ? 'ca' : wanted);

export type Progress = 'waiting' | 'done' | 'withdrawn';

/**
 * Returns the progress of the request. The daemon removes the annotation in the same write that completes the request.
 * If the annotation is missing and the rotation has not completed, another writer withdrew the request.
 */
export function progressOf(wanted: Asked, before: RotationState, now: RotationState): Progress {
  if (now.asked !== undefined) return 'waiting';
  if (wanted === 'serving') return isAnother(before.set.serving, now.set.serving) ? 'done' : 'withdrawn';
  if (now.set.phase !== 'stable') return 'withdrawn';
  // If a rotation was in progress at the time of the request, its new CA may have been the current CA already. So the
  // request is also done if the CA is unchanged.
  return isAnother(before.set.ca, now.set.ca) || before.set.phase !== 'stable' ? 'done' : 'withdrawn';
}

const isAnother = (one: CertificatePair, other: CertificatePair): boolean => one.certificate !== other.certificate;

export function phaseLine(set: CertificateSet, options: CertificateOptions): string {
  const { phase, waitsFor, until } = rotationFacts(set, options);
  if (waitsFor === undefined) return phase;
  return `${phase}: waits for ${waitsFor}${until === undefined ? '' : `, until ${until.toISOString().slice(0, 19)}Z`}`;
}

/** What happens at the end of a phase whose end depends only on time. */
const ends: Partial<Record<Phase, string>> = {
  settling: 'the switch to the new certificate authority',
  retiring: 'the removal of the old certificate authority',
};

/** Returns the time left of the current phase as `0:42 until …`, or `undefined` if its end does not depend on time. */
export function countdown(set: CertificateSet, options: CertificateOptions, now: Date): string | undefined {
  const { phase, until } = rotationFacts(set, options);
  if (until === undefined) return undefined;
  const seconds = Math.max(0, Math.ceil((until.getTime() - now.getTime()) / 1000));
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')} until ${ends[phase]}`;
}

function resultLines({ set }: RotationState): string[] {
  const line = (what: string, pem: string) => {
    const certificate = parseCertificate(pem);
    return `${what}: SHA-256 ${certificate?.fingerprint256}, until ${certificate?.validToDate.toISOString()}`;
  };
  return [line('serving certificate', set.serving.certificate), line('certificate authority', set.ca.certificate)];
}

export interface PendingRotation {
  readonly asked: Asked;
  /** The rotation state of the Secret before the command requested the rotation. */
  readonly before: RotationState;
  readonly last: RotationState;
  readonly startedAt: Date;
  /** When a poll last saw a change of the state; `undefined` if none has. */
  readonly changedAt: Date | undefined;
}

/** The result of one poll: lines for the user, and the exit code if the command is done. */
export interface Poll {
  readonly lines: readonly string[];
  readonly exitCode?: ExitCode;
  readonly pending: PendingRotation;
}

/** Time without progress after which the command gives up. A running daemon reads the Secret at least once a minute. */
const SILENCE_MS = 90_000;

interface PollContext extends Pick<Terminal, 'paint'> {
  readonly config: Config;
  readonly timeoutMs: number;
  readonly now: Date;
}

/** Returns the line that says that the rotation is not done, and why. */
export const notDone = (problem: string, { paint }: Pick<Terminal, 'paint'>): string =>
  `${paint('bad', 'not done')}: ${problem}`;

/**
 * Returns the result of one poll.
 *
 * @param stored the Secret, `undefined` if it does not exist, or `unreachable` if the API server did not answer.
 */
export function poll(
  pending: PendingRotation,
  stored: StoredSecret | undefined | 'unreachable',
  context: PollContext,
): Poll {
  const { config, now, paint } = context;
  const fail = (problem: string): Poll => ({ lines: [notDone(problem, context)], exitCode: exitCodes.failed, pending });
  const refused = stored === 'unreachable' ? undefined : obstacle(stored, config);
  if (refused !== undefined) return fail(refused);
  const state = stored === 'unreachable' || stored === undefined ? pending.last : rotationState(stored);
  const outcome = progressOf(pending.asked, pending.before, state);
  const isNewPhase = state.set.phase !== pending.last.set.phase;
  const lines = isNewPhase ? [phaseLine(state.set, config.certificates)] : [];
  if (outcome === 'done')
    return { lines: [...lines, paint('good', 'done'), ...resultLines(state)], exitCode: exitCodes.done, pending };
  if (outcome === 'withdrawn') return fail('another writer removed the annotation');
  const next = { ...pending, last: state, changedAt: isDeepStrictEqual(pending.last, state) ? pending.changedAt : now };
  const problem = overdue(next, context);
  return problem === undefined ? { lines, pending: next } : { ...fail(problem), pending: next };
}

/** Returns why the command gives up, and the next step; `undefined` if the command continues to wait. */
function overdue(
  { last, startedAt, changedAt = startedAt }: PendingRotation,
  context: PollContext,
): string | undefined {
  const { config, timeoutMs, now } = context;
  const { until } = rotationFacts(last.set, config.certificates);
  const msSince = (moment: Date) => now.getTime() - moment.getTime();
  const isSilent = Math.min(msSince(changedAt), msSince(until ?? changedAt)) >= SILENCE_MS;
  if (!isSilent && msSince(startedAt) < timeoutMs) return undefined;
  if (!isSilent && changedAt !== startedAt) {
    const seconds = Math.round(msSince(startedAt) / 1000);
    return `it has not finished within ${seconds} s; the daemon continues, and terraform-daemon inspect shows its phase`;
  }
  const { logs, restart, withdraw } = repairCommands(config);
  return [
    `no progress for ${Math.round(msSince(changedAt) / 1000)} s: is a daemon running? A daemon that starts continues the rotation.`,
    `  read its log:        ${logs}`,
    `  restart it:          ${restart}`,
    `  remove the request:  ${withdraw}`,
  ].join('\n');
}
