import type { CertificateOptions, CertificateSet } from '../../certs/certificate-set.ts';
import { rotationFacts } from '../../certs/rotation-status.ts';
import { type Asked, askedFor, fromSecret, isOurs, isPaused, type StoredSecret } from '../../certs/secret.ts';
import { parseCertificate } from '../../certs/x509.ts';
import type { Config } from '../../cli/config.ts';
import { type Installation, repairCommands } from '../kubectl-hints.ts';

/** What is looked at, once a second, while a rotation is waited for. */
export interface Look {
  readonly set: CertificateSet;
  readonly asked: Asked | undefined;
}

export const lookAt = (stored: StoredSecret): Look => ({ set: fromSecret(stored), asked: askedFor(stored) });

/** Why a rotation that is asked for would never happen, with what to do about it; `undefined` when it would. */
export function refusal(stored: StoredSecret | undefined, place: Installation): string | undefined {
  const { install, label, unpause } = repairCommands(place);
  const name = `Secret ${place.namespace}/${place.secretName}`;
  if (stored === undefined) {
    return `there is no ${name}: start a daemon, which makes it, or name it by --namespace and --secret-name.\n  ${install}`;
  }
  if (!isOurs(stored)) return `${name} has no managed-by label, so no daemon writes it. To hand it over:\n  ${label}`;
  if (isPaused(stored)) return `all writes of ${name} are paused. To go on:\n  ${unpause}`;
  return undefined;
}

/** What the request becomes where one is under way: that of the authority has a new serving certificate as well. */
export const merged = (wanted: Asked, before: Asked | undefined): Asked => (before === 'ca' ? 'ca' : wanted);

export type Progress = 'waiting' | 'done' | 'withdrawn';

/** How far the request has come: the daemon takes the annotation away with the step that fulfils it. */
export function progress(wanted: Asked, before: Look, now: Look): Progress {
  if (now.asked !== undefined) return 'waiting';
  if (wanted === 'serving') return isAnother(before.set.serving, now.set.serving) ? 'done' : 'withdrawn';
  if (now.set.phase !== 'stable') return 'withdrawn';
  // One that was under way already is ended by this request, and may have had its new authority before.
  return isAnother(before.set.ca, now.set.ca) || before.set.phase !== 'stable' ? 'done' : 'withdrawn';
}

type Pair = CertificateSet['ca'];

const isAnother = (one: Pair, other: Pair): boolean => one.certificate !== other.certificate;

/** A line for the phase that a rotation is in. */
export function phaseLine(set: CertificateSet, options: CertificateOptions): string {
  const { phase, waitsFor, until } = rotationFacts(set, options);
  if (waitsFor === undefined) return phase;
  return `${phase}: waits for ${waitsFor}${until === undefined ? '' : `, until ${until.toISOString().slice(0, 19)}Z`}`;
}

/** What there is in the end. */
export function resultLines({ set }: Look): string[] {
  const line = (what: string, pem: string) => {
    const certificate = parseCertificate(pem);
    return `${what}: SHA-256 ${certificate?.fingerprint256}, until ${certificate?.validToDate.toISOString()}`;
  };
  return [line('serving certificate', set.serving.certificate), line('certificate authority', set.ca.certificate)];
}

/** A rotation that is waited for. */
export interface Waiting {
  readonly asked: Asked;
  /** What there was when it was asked for. */
  readonly before: Look;
  readonly last: Look;
  readonly startedAt: Date;
  /** When something was last seen to happen; `undefined` until then. */
  readonly changedAt: Date | undefined;
}

/** What one look has brought: lines to be told, and the exit code once it is over. */
export interface Step {
  readonly lines: readonly string[];
  readonly exitCode?: 0 | 1;
  readonly waiting: Waiting;
}

/** A running daemon is told of the annotation at once, and looks every minute whatever it is told. */
const SILENCE_MS = 90_000;

/** @param stored what was read just now; `unreachable` when the API server did not answer. */
export function step(
  waiting: Waiting,
  stored: StoredSecret | undefined | 'unreachable',
  { config, timeoutMs, now }: { readonly config: Config; readonly timeoutMs: number; readonly now: Date },
): Step {
  const over = (problem: string): Step => ({ lines: [`not done: ${problem}`], exitCode: 1, waiting });
  const refused = stored === 'unreachable' ? undefined : refusal(stored, config);
  if (refused !== undefined) return over(refused);
  const look = stored === 'unreachable' || stored === undefined ? waiting.last : lookAt(stored);
  const outcome = progress(waiting.asked, waiting.before, look);
  const isNewPhase = look.set.phase !== waiting.last.set.phase;
  const lines = isNewPhase ? [phaseLine(look.set, config.certificates)] : [];
  if (outcome === 'done') return { lines: [...lines, 'done', ...resultLines(look)], exitCode: 0, waiting };
  if (outcome === 'withdrawn') return over('somebody has taken the annotation back');
  const next = { ...waiting, last: look, changedAt: isSame(waiting.last, look) ? waiting.changedAt : now };
  const problem = overdue(next, config, timeoutMs, now);
  return problem === undefined ? { lines, waiting: next } : { ...over(problem), waiting: next };
}

/** Whether nothing at all has happened between two looks. */
const isSame = (one: Look, other: Look): boolean =>
  one.set.phase === other.set.phase &&
  one.set.phaseSince?.getTime() === other.set.phaseSince?.getTime() &&
  one.asked === other.asked &&
  one.set.caBundle === other.set.caBundle &&
  !isAnother(one.set.serving, other.set.serving);

/** Why it is not waited for any longer, with what to do next. */
function overdue(
  { last, startedAt, changedAt }: Waiting,
  config: Config,
  timeoutMs: number,
  now: Date,
): string | undefined {
  const { until } = rotationFacts(last.set, config.certificates);
  const quietSince = Math.max((changedAt ?? startedAt).getTime(), until?.getTime() ?? 0);
  const isSilent = now.getTime() - quietSince >= SILENCE_MS;
  const waitedMs = now.getTime() - startedAt.getTime();
  if (!isSilent && waitedMs < timeoutMs) return undefined;
  if (!isSilent && changedAt !== undefined) {
    const seconds = Math.round(waitedMs / 1000);
    return `it has not ended within ${seconds} s, and goes on by itself: terraform-daemon inspect shows how far it is`;
  }
  const { logs, restart, withdraw } = repairCommands(config);
  const quietMs = now.getTime() - (changedAt ?? startedAt).getTime();
  return [
    `nothing has happened for ${Math.round(quietMs / 1000)} s: does a daemon run? It does it as soon as one does.`,
    `  its log:         ${logs}`,
    `  start it again:  ${restart}`,
    `  take it back:    ${withdraw}`,
  ].join('\n');
}
