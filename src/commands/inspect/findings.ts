import { type Reason, reasons } from '../../certs/reasons.ts';
import { isStuck } from '../../certs/rotation-status.ts';
import { waitingAuthority } from '../../certs/serving-swap.ts';
import { issuedAt, isTrustedBy, parseCertificate } from '../../certs/x509.ts';
import { type Pem, splitCertificates } from '../../lib/pem.ts';
import { repairCommands } from '../kubectl-hints.ts';
import type { Observations } from './observations.ts';

/** Reasons of findings that are not about a certificate. */
export const otherFindingReasons = [
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

export interface Finding {
  readonly reason: Reason | (typeof otherFindingReasons)[number];
  readonly where: 'Secret' | 'registration' | 'endpoint';
  readonly message: string;
  /** The repair, for a shell. */
  readonly command: string;
}

type Commands = ReturnType<typeof repairCommands>;
type Findings = readonly (Finding | false | undefined)[];

const findingIn =
  (where: Finding['where']) =>
  (reason: Finding['reason'], message: string, command: string): Finding => ({ reason, where, message, command });

const inSecret = findingIn('Secret');
const inRegistration = findingIn('registration');
const inEndpoint = findingIn('endpoint');

const REFUSED = 'this user may not read it: the rest is judged without it';

/** Returns everything that is wrong, a cause before its consequences. Empty if all is well. */
export function findingsOf(observations: Observations): readonly Finding[] {
  const { config, secret, registration } = observations;
  const commands = repairCommands(config);
  if (secret.state === 'absent' && registration.state === 'absent') {
    const message =
      'there is neither the Secret nor the registration: no daemon has run here yet, or under other names';
    return [inSecret('not-installed', message, commands.install)];
  }
  const findings: Findings = [
    ...secretFindings(observations, commands),
    ...registrationFindings(observations, commands),
    endpointFinding(observations, commands),
  ];
  return findings.filter((finding) => finding !== undefined && finding !== false);
}

function secretFindings({ config, now, secret }: Observations, commands: Commands): Findings {
  const { state, set, decision, isOurs, isPaused, misunderstood } = secret;
  if (state === 'refused') return [inSecret('forbidden', REFUSED, commands.askRights)];
  if (state === 'absent') return [inSecret('absent', reasons.absent, commands.restart)];
  if (state === 'unused') return [];
  const repair = isPaused ? commands.unpause : isOurs ? commands.restart : commands.label;
  const flaw = decision && 'reason' in decision && decision.reason;
  return [
    isPaused === true && inSecret('paused', 'all writes are paused: nothing is renewed or mended', commands.unpause),
    !isOurs && inSecret('not-ours', 'it lacks the managed-by label: nothing in it is renewed', commands.label),
    misunderstood !== undefined &&
      inSecret(
        'misunderstood',
        `its annotation rotate: found ${JSON.stringify(misunderstood)}; allowed is serving or ca`,
        commands.withdraw,
      ),
    flaw && inSecret(flaw, reasons[flaw], repair),
    set !== undefined &&
      isStuck(set, config.certificates, now) &&
      inSecret('stuck', `the rotation does not get on from the phase ${set.phase}`, repair),
  ];
}

function registrationFindings(observations: Observations, commands: Commands): Findings {
  const { name } = observations.config.registration;
  const { state, bundle, trusts, unreadable, drift, selected } = observations.registration;
  const repair = observations.secret.isPaused ? commands.unpause : commands.restart;
  if (state === 'refused') return [inRegistration('forbidden', REFUSED, commands.askRegistrationRights(name))];
  if (state === 'absent') {
    return [inRegistration('not-registered', 'the webhook is not registered: no Job is changed', repair)];
  }
  const empty = splitCertificates(bundle ?? '').length === 0 ? ': it is empty' : '';
  return [
    isServingUntrusted(observations) &&
      inRegistration(
        'untrusted',
        `the live CA bundle does not verify the serving certificate of the Secret${empty}`,
        repair,
      ),
    unreadable > 0 && inRegistration('unparsable-bundle', reasons['unparsable-bundle'], repair),
    trusts.some(({ isDuplicate }) => isDuplicate) && inRegistration('duplicate-ca', reasons['duplicate-ca'], repair),
    trusts.some(({ isOurs }) => isOurs === false) && inRegistration('foreign-ca', reasons['foreign-ca'], repair),
    drift.length > 0 && inRegistration('drift', driftMessage(drift), repair),
    selected.isNarrowed &&
      inRegistration(
        'narrowed',
        `somebody has narrowed it, so other Jobs are not changed: only where ${selected.requirements.join(' and ')}`,
        commands.editRegistration(name),
      ),
  ];
}

function isServingUntrusted({ config, now, secret: { set }, registration }: Observations): boolean {
  if (set === undefined) return false;
  // A certificate of a new authority is not presented yet, so the bundle may lack that authority for a while.
  if (waitingAuthority(set) !== undefined && !isStuck(set, config.certificates, now)) return false;
  return !isTrustedBy(set.serving.certificate, registration.bundle ?? ('' as Pem), now);
}

function driftMessage(drift: readonly string[]): string {
  const hint = drift.some((field) => /^clientConfig\.(service|url)$/.test(field))
    ? ' (does this command have the same --service-… and --webhook-url options as the daemon?)'
    : '';
  return `it differs from what the daemon writes: ${drift.join(', ')}${hint}`;
}

/** A running daemon reads the Secret every minute at the latest, so it presents the new certificate by then. */
const SWAPPED_BY_MS = 120_000;

function endpointFinding({ now, secret, endpoint, isOfSecret }: Observations, { restart, logs }: Commands) {
  if (endpoint.outcome === 'not-dialled') return false;
  if (endpoint.outcome === 'failed') {
    return inEndpoint('unreachable', `${endpoint.address} does not answer: ${endpoint.why}`, logs);
  }
  if (endpoint.why !== undefined) {
    return inEndpoint('unverified', `the API server would refuse it: ${endpoint.why}`, restart);
  }
  if (isOfSecret !== false || secret.set?.phase !== 'stable') return false;
  const serving = parseCertificate(secret.set.serving.certificate);
  const isOld = serving !== undefined && now.getTime() > issuedAt(serving).getTime() + SWAPPED_BY_MS;
  return isOld && inEndpoint('not-swapped', 'it presents another certificate than the Secret holds', restart);
}
