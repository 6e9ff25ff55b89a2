import { createCertificateLogic } from '../../certs/certificate-logic.ts';
import { reasons } from '../../certs/reason-texts.ts';
import { isStuck } from '../../certs/rotation-status.ts';
import { waitingAuthority } from '../../certs/serving-swap.ts';
import { issuedAt, isTrustedBy, parseCertificate } from '../../certs/x509.ts';
import { type Pem, splitCertificates } from '../../lib/pem.ts';
import { ownWebhook } from '../../registration/desired.ts';
import { INSTALL_STEP, repairCommands } from '../kubectl-hints.ts';
import { namespaceHint, type Observations } from './observations.ts';

/**
 * The messages of findings that have no message in certs/reason-texts.ts. `inspect` can append an observed value to a
 * message.
 */
export const otherFindings = {
  'not-installed': `neither the Secret nor the webhook configuration exists: no daemon has run here, or it uses other names. ${INSTALL_STEP}`,
  'not-ours':
    'the Secret lacks the managed-by label, and the live CA bundle does not verify its certificate, so the daemon does not write it',
  paused: 'the annotation paused of the Secret stops all writes, so the daemon renews and repairs nothing',
  'invalid-annotation': 'the annotation rotate of the Secret has an ',
  narrowed: 'another writer has added selectors, so the API server calls the webhook only for ',
  forbidden: 'the current user has no permission to read it; the other checks ignore it',
  unreadable: 'the read has failed, and the other checks ignore the object: ',
  'reconcile-failing': 'the last reconcile of the daemon has failed, and the daemon tries again: ',
  'namespace-removed':
    'the namespace of the daemon does not exist or is being deleted, so no Pod can serve the webhook, and failurePolicy decides about each Job: ',
  stuck: 'the CA rotation makes no progress in the phase ',
  'not-registered': 'the webhook is not registered, so the API server does not call the endpoint',
  drift: 'these fields differ from what the daemon writes: ',
  'extra-ca':
    'the CA bundle trusts a CA that is not in the Secret. The daemon removes it a settle time after its start, or after a change of the Secret; a restart begins this time again',
  untrusted: 'the live CA bundle does not verify the serving certificate of the Secret',
  unreachable: 'cannot connect to ',
  unverified: 'the API server would refuse the certificate: ',
  'not-swapped': 'the endpoint presents another certificate than the Secret holds',
} as const;

const texts = { ...reasons, ...otherFindings };

export interface Finding {
  readonly reason: keyof typeof texts;
  readonly where: 'Secret' | 'registration' | 'endpoint' | 'daemon';
  readonly message: string;
  /** The shell command that repairs the problem or helps to find its cause. */
  readonly command: string;
}

type Commands = ReturnType<typeof repairCommands>;
type Findings = readonly (Finding | false | undefined)[];

const findingIn =
  (where: Finding['where']) =>
  (reason: Finding['reason'], command: string, found = ''): Finding => ({
    reason,
    where,
    message: texts[reason] + found,
    command,
  });

const inSecret = findingIn('Secret');
const inRegistration = findingIn('registration');
const inEndpoint = findingIn('endpoint');
const inDaemon = findingIn('daemon');

/** Returns all problems of the install, each cause before its consequences; empty if there is none. */
export function findingsOf(observations: Observations): readonly Finding[] {
  const { config, secret, registration } = observations;
  const commands = repairCommands(config);
  if (secret.state === 'absent' && registration.state === 'absent' && observations.failure === undefined) {
    return [inSecret('not-installed', commands.findPods)];
  }
  const hint = namespaceHint(registration.live, config);
  // The other findings would be about the names that the user has mistyped.
  if (secret.state === 'absent' && hint !== undefined) return [inSecret('absent', commands.findPods, `, and ${hint}`)];
  if (observations.isNamespaceRemoved && registration.calls?.startsWith('Service ')) {
    const { name } = config.registration;
    const policy = ownWebhook(registration.live)?.failurePolicy ?? 'Fail';
    return [inRegistration('namespace-removed', commands.deleteRegistration(name), policy)];
  }
  const findings: Findings = [
    ...secretFindings(observations, commands),
    ...registrationFindings(observations, commands),
    endpointFinding(observations, commands),
  ];
  const found = findings.filter((finding) => finding !== undefined && finding !== false);
  const { failure } = observations;
  // Alone, the Event can be about a failure that is over.
  if (failure === undefined || found.length === 0) return found;
  return [inDaemon('reconcile-failing', commands.logs, `${failure.code}: ${failure.message}`), ...found];
}

function secretFindings({ config, now, secret }: Observations, commands: Commands): Findings {
  const { state, set, decision, isForeign, isPaused, misunderstood } = secret;
  if (state === 'refused') return [inSecret('forbidden', commands.askRights)];
  if (state === 'failed') return [inSecret('unreadable', commands.getSecret, secret.problem)];
  if (state === 'absent') return [inSecret('absent', commands.restart)];
  if (set === undefined) return [];
  const repair = isPaused ? commands.unpause : isForeign ? commands.label : commands.restart;
  return [
    isPaused && inSecret('paused', commands.unpause),
    isForeign && inSecret('not-ours', commands.label),
    misunderstood !== undefined &&
      inSecret(
        'invalid-annotation',
        commands.withdraw,
        `invalid value ${JSON.stringify(misunderstood)}: must be serving or ca`,
      ),
    'reason' in decision && inSecret(decision.reason, repair),
    isStuck(set, config.certificates, now) && inSecret('stuck', repair, set.phase),
  ];
}

function registrationFindings(observations: Observations, commands: Commands): Findings {
  const { name } = observations.config.registration;
  const { state, problem, bundle, trusts, unreadable, drift, selected } = observations.registration;
  const repair = observations.secret.isPaused ? commands.unpause : commands.restart;
  if (state === 'refused') return [inRegistration('forbidden', commands.askRegistrationRights(name))];
  if (state === 'failed') return [inRegistration('unreadable', commands.getRegistration(name), problem)];
  if (state === 'absent') return [inRegistration('not-registered', repair)];
  const empty = splitCertificates(bundle ?? '').length === 0 ? ': the bundle is empty' : '';
  return [
    isServingUntrusted(observations) && inRegistration('untrusted', repair, empty),
    unreadable > 0 && inRegistration('unparsable-bundle', repair),
    trusts.some(({ isDuplicate }) => isDuplicate) && inRegistration('duplicate-ca', repair),
    ...foreignCas(observations, { repair, wait: commands.logs }),
    drift.length > 0 && inRegistration('drift', repair, drift.join(', ') + hintOnOptions(drift)),
    selected.isNarrowed &&
      inRegistration('narrowed', commands.editRegistration(name), selected.requirements.join(' and ')),
  ];
}

/** Returns findings for the trusted CAs that are not in the Secret. The daemon keeps a usable one for a settle time. */
function foreignCas(
  { config, now, registration: { trusts } }: Observations,
  { repair, wait }: Readonly<Record<'repair' | 'wait', string>>,
): Findings {
  const { usableAuthorities } = createCertificateLogic(config.certificates);
  const foreign = trusts.filter(({ isOurs }) => isOurs === false);
  const usable = foreign.filter(({ pem }) => usableAuthorities(pem, { now }).length > 0);
  return [
    usable.length < foreign.length && inRegistration('foreign-ca', repair),
    usable.length > 0 && inRegistration('extra-ca', wait),
  ];
}

function isServingUntrusted({ config, now, secret: { set }, registration }: Observations): boolean {
  if (set === undefined) return false;
  // Early in a CA replacement, the live CA bundle may still lack the new CA. This is a problem only if the rotation is
  // stuck. With a next CA, the current CA is the old one.
  const isReplaced = set.nextCa === undefined && waitingAuthority(set) !== undefined;
  if (isReplaced && !isStuck(set, config.certificates, now)) return false;
  return !isTrustedBy(set.serving.certificate, registration.bundle ?? ('' as Pem), now);
}

const hintOnOptions = (drift: readonly string[]): string =>
  drift.some((field) => /^clientConfig\.(service|url)$/.test(field))
    ? ' (does this command have the same --service-… and --webhook-url options as the daemon?)'
    : '';

/**
 * Age of a certificate in the Secret after which the endpoint must present it. A running daemon reads the Secret at
 * least once a minute.
 */
const SWAPPED_BY_MS = 120_000;

function endpointFinding({ now, secret, endpoint, isOfSecret }: Observations, { restart, logs }: Commands) {
  if (endpoint.outcome === 'not-dialled') return false;
  if (endpoint.outcome === 'failed') return inEndpoint('unreachable', logs, `${endpoint.address}: ${endpoint.why}`);
  if (endpoint.why !== undefined) return inEndpoint('unverified', restart, endpoint.why);
  if (isOfSecret !== false || secret.set?.phase !== 'stable') return false;
  const serving = parseCertificate(secret.set.serving.certificate);
  const isOld = serving !== undefined && now.getTime() > issuedAt(serving).getTime() + SWAPPED_BY_MS;
  return isOld && inEndpoint('not-swapped', restart);
}
