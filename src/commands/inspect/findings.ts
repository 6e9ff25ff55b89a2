import type { CertificateSet } from '../../certs/certificate-set.ts';
import type { CertificateDecision } from '../../certs/decide.ts';
import { type Reason, reasons } from '../../certs/reasons.ts';
import { isStuck } from '../../certs/rotation-status.ts';
import { waitingAuthority } from '../../certs/serving-swap.ts';
import { issuedAt, isTrustedBy, parseCertificate } from '../../certs/x509.ts';
import type { Config } from '../../cli/config.ts';
import { type Pem, splitCertificates } from '../../lib/pem.ts';
import { repairCommands } from '../kubectl-hints.ts';
import type { Selected } from './selectors.ts';

/** What can be wrong beside the certificates themselves: words of their own. */
export const otherProblems = [
  'not-installed',
  'not-ours',
  'paused',
  'misunderstood',
  'narrowed',
  'forbidden',
  'stuck',
  'not-registered',
  'drift',
  'untrusted',
  'unreachable',
  'unverified',
  'not-swapped',
] as const;

export type ProblemReason = Reason | (typeof otherProblems)[number];

export interface Problem {
  readonly reason: ProblemReason;
  readonly where: 'Secret' | 'registration' | 'endpoint';
  readonly message: string;
  /** What mends it, to be pasted into a shell. */
  readonly command: string;
}

/** One authority that the API server trusts. */
export interface TrustedAuthority {
  readonly pem: Pem;
  /** `undefined` where the Secret could not be seen. */
  readonly isOurs: boolean | undefined;
  readonly isDuplicate: boolean;
}

/** The facts in the form that problems are found in. */
export interface Evidence {
  readonly config: Config;
  readonly now: Date;
  readonly secret: {
    /** Unused where the daemon was given certificates of somebody's own. */
    readonly state: 'present' | 'absent' | 'refused' | 'unused';
    readonly set: CertificateSet | undefined;
    readonly verdict: CertificateDecision | undefined;
    readonly isOurs: boolean;
    readonly isPaused: boolean;
    /** What the annotation `rotate` says where that asks for nothing. */
    readonly misunderstood: string | undefined;
  };
  readonly registration: {
    readonly state: 'present' | 'absent' | 'refused';
    readonly bundle: Pem | undefined;
    readonly trusts: readonly TrustedAuthority[];
    /** Blocks of the bundle that cannot be read. */
    readonly unreadable: number;
    readonly drift: readonly string[];
    readonly selected: Selected;
  };
  readonly endpoint: {
    readonly outcome: 'not-dialled' | 'failed' | 'answered';
    readonly address?: string;
    readonly problem?: string | undefined;
    readonly isOfSecret: boolean | undefined;
  };
}

type Commands = ReturnType<typeof repairCommands>;

/** Everything that is wrong, the cause before what follows from it. Empty when all is well. */
export function findProblems(evidence: Evidence): Problem[] {
  const { config, secret, registration } = evidence;
  const commands = repairCommands(config);
  if (secret.state === 'absent' && registration.state === 'absent') {
    const message =
      'there is neither the Secret nor the registration: no daemon has run here yet, or under other names';
    return [{ reason: 'not-installed', where: 'Secret', message, command: commands.install }];
  }
  return [
    ...secretProblems(evidence, commands),
    ...registrationProblems(evidence, commands),
    ...endpointProblems(evidence, commands),
  ];
}

function secretProblems(evidence: Evidence, commands: Commands): Problem[] {
  const problem = (reason: ProblemReason, message: string, command: string): Problem[] => [
    { reason, where: 'Secret', message, command },
  ];
  switch (evidence.secret.state) {
    case 'unused':
      return [];
    case 'refused':
      return problem('forbidden', 'this user may not read it: the rest is judged without it', commands.askRights);
    case 'absent':
      return problem('absent', reasons.absent, commands.restart);
    case 'present':
      return contentProblems(evidence, commands, problem);
  }
}

function contentProblems(
  { config, now, secret }: Evidence,
  commands: Commands,
  problem: (reason: ProblemReason, message: string, command: string) => Problem[],
): Problem[] {
  const { set, verdict, isOurs, isPaused, misunderstood } = secret;
  const mend = isPaused ? commands.unpause : isOurs ? commands.restart : commands.label;
  const flaw = verdict && 'reason' in verdict ? verdict.reason : undefined;
  const isStopped = set !== undefined && isStuck(set, config.certificates, now);
  return [
    ...(isPaused ? problem('paused', 'all writes are paused: nothing is renewed or mended', commands.unpause) : []),
    ...(isOurs ? [] : problem('not-ours', 'it lacks the managed-by label: nothing in it is renewed', commands.label)),
    ...(misunderstood === undefined
      ? []
      : problem(
          'misunderstood',
          `its annotation rotate: found ${JSON.stringify(misunderstood)}; allowed is serving or ca`,
          commands.withdraw,
        )),
    ...(flaw === undefined ? [] : problem(flaw, reasons[flaw], mend)),
    ...(isStopped ? problem('stuck', `the rotation does not get on from the phase ${set.phase}`, mend) : []),
  ];
}

function registrationProblems({ config, now, secret, registration }: Evidence, commands: Commands): Problem[] {
  const { state, bundle, trusts, unreadable, drift, selected } = registration;
  const mend = secret.isPaused ? commands.unpause : commands.restart;
  const problem = (reason: ProblemReason, message: string, command: string = mend): Problem[] => [
    { reason, where: 'registration', message, command },
  ];
  if (state === 'refused') {
    const message = 'this user may not read it: the rest is judged without it';
    return problem('forbidden', message, commands.askRegistrationRights(config.registration.name));
  }
  if (state === 'absent') return problem('not-registered', 'the webhook is not registered: no Job is changed');
  const isUntrusted = secret.set !== undefined && isLeftOut(secret.set, bundle, config, now);
  const empty = splitCertificates(bundle ?? '').length === 0 ? ': it is empty' : '';
  return [
    ...(isUntrusted
      ? problem('untrusted', `the live CA bundle does not verify the serving certificate of the Secret${empty}`)
      : []),
    ...(unreadable > 0 ? problem('unparsable-bundle', reasons['unparsable-bundle']) : []),
    ...(trusts.some(({ isDuplicate }) => isDuplicate) ? problem('duplicate-ca', reasons['duplicate-ca']) : []),
    ...(trusts.some(({ isOurs }) => isOurs === false) ? problem('foreign-ca', reasons['foreign-ca']) : []),
    ...driftProblem(drift, problem),
    ...(selected.isNarrowed
      ? problem(
          'narrowed',
          `somebody has narrowed it, so other Jobs are not changed: only where ${selected.requirements.join(' and ')}`,
          commands.editRegistration(config.registration.name),
        )
      : []),
  ];
}

/** Whether the live bundle lacks what it needs. One of a new authority is not presented yet, so it may wait a while. */
function isLeftOut(set: CertificateSet, bundle: Pem | undefined, { certificates }: Config, now: Date): boolean {
  if (waitingAuthority(set) !== undefined && !isStuck(set, certificates, now)) return false;
  return !isTrustedBy(set.serving.certificate, bundle ?? ('' as Pem), now);
}

function driftProblem(drift: readonly string[], problem: (reason: 'drift', message: string) => Problem[]): Problem[] {
  if (drift.length === 0) return [];
  const hint = drift.some((field) => /^clientConfig\.(service|url)$/.test(field))
    ? ' (does this command have the same --service-… and --webhook-url options as the daemon?)'
    : '';
  return problem('drift', `it differs from what the daemon writes: ${drift.join(', ')}${hint}`);
}

/** A daemon that runs has swapped by then. */
const SWAPPED_BY_MS = 120_000;

function endpointProblems({ now, secret, endpoint }: Evidence, { restart, logs }: Commands): Problem[] {
  const { outcome, address, problem, isOfSecret } = endpoint;
  const about = (reason: ProblemReason, message: string, command: string): Problem[] => [
    { reason, where: 'endpoint', message, command },
  ];
  if (outcome === 'failed') return about('unreachable', `${address} does not answer: ${problem}`, logs);
  if (outcome !== 'answered') return [];
  if (problem !== undefined) return about('unverified', `the API server would refuse it: ${problem}`, restart);
  const serving = parseCertificate(secret.set?.serving.certificate ?? '');
  const isOld = serving !== undefined && now.getTime() > issuedAt(serving).getTime() + SWAPPED_BY_MS;
  const isSettled = secret.set?.phase === 'stable';
  return isOfSecret === false && isOld && isSettled
    ? about('not-swapped', 'it presents another certificate than the Secret holds', restart)
    : [];
}
