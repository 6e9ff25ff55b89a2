import type { V1MutatingWebhookConfiguration } from '@kubernetes/client-node';
import { asPublished } from '../certs/bundle.ts';
import { createCertificateLogic } from '../certs/certificate-logic.ts';
import type { CertificatePair } from '../certs/certificate-set.ts';
import type { CertificateDecision } from '../certs/decide.ts';
import type { Permit, SecretStore } from '../certs/reconcile.ts';
import { parseCertificate, renewalMoment, replacementMoment } from '../certs/x509.ts';
import type { Config } from '../cli/config.ts';
import { OperatorError } from '../lib/errors.ts';
import { joinCertificates, type Pem, splitCertificates } from '../lib/pem.ts';
import { createRepairLimiter } from '../lib/repair-limiter.ts';
import { matchConditions } from '../policy/cel.ts';
import type { Policies } from '../policy/file.ts';
import { createTurns } from '../registration/config-arbitration.ts';
import { type DesiredRegistration, desiredRegistration } from '../registration/desired.ts';
import { differing } from '../registration/drift.ts';
import { liveBundle, type RegistrationStore, reconcileRegistration } from '../registration/reconcile.ts';
import { lastWriter, onTermsOf, otherTerms, termsOf } from '../registration/webhook-spec.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import { type CertificateSource, type Certified, fileSource, secretSource } from './certificate-source.ts';
import type { Status } from './health.ts';
import type { Report } from './report.ts';

export interface ReconcilerDependencies {
  readonly secrets: SecretStore;
  readonly registrations: RegistrationStore;
  readonly policies: Pick<Policies, 'current'>;
  readonly report: Report;
  readonly metrics: Metrics;
  readonly now: () => Date;
  /** Milliseconds on a clock that nobody sets. */
  readonly uptimeMs: () => number;
}

/** Brings the Secret, the registration and the endpoint to where they should be. */
export interface Reconciler {
  /**
   * The certificates to begin with: those that were brought, or those of the Secret, issued where they are missing.
   *
   * @throws OperatorError what keeps the endpoint from having a certificate.
   */
  certify(): Promise<Certified>;
  /**
   * Certificates, registration, endpoint: in this order, step by step, until nothing is left to do for now. What can be
   * mended is mended also where something else cannot.
   *
   * @param present swaps the certificate of the endpoint.
   * @returns when to look again at the latest.
   * @throws OperatorError the first thing that went wrong.
   */
  reconcile(present: (pair: CertificatePair) => void): Promise<Date | undefined>;
}

/** A whole rotation with a lost race at each step is shorter; what needs more is a bug, and waits for the next wake-up. */
const MOST_STEPS = 20;

/** Steps that are taken because of time or on request. Every other one repairs what somebody has done. */
const ordinary: ReadonlySet<string> = new Set(['due', 'restart', 'asked', 'settle', 'switch', 'retire']);

const isOrdinary = (verdict: CertificateDecision): boolean =>
  ordinary.has('reason' in verdict ? verdict.reason : verdict.action);

const SECRET = 'secret';
const REGISTRATION = 'registration';
const OBJECTS = 2;

export function createReconciler(
  config: Config,
  { secrets, registrations, policies, report, metrics, now, uptimeMs }: ReconcilerDependencies,
  status: Status,
): Reconciler {
  const logic = createCertificateLogic(config.certificates);
  const restartedAt = config.rotateOnStart ? now() : undefined;
  const fights = createRepairLimiter(OBJECTS);
  const seen = createSighting(uptimeMs);
  const source = createSource();
  let last: Certified | undefined;
  const turns = createTurns();
  const applied: { own?: string; others?: string } = {};
  let heldUntil: Date | undefined;
  /** Repairs that were allowed since they were counted last. */
  let tried = 0;

  function createSource(): CertificateSource {
    const { certificateDirectory } = config;
    if (certificateDirectory !== undefined) return fileSource(certificateDirectory, config);
    const permit: Permit = (verdict, stored) =>
      isOrdinary(verdict) || mayRepair(SECRET, stored?.otherWriter) ? undefined : 'fight';
    const look = secretSource(secrets, config, { report, permit });
    return (circumstances) => counting(SECRET, look(circumstances));
  }

  function mayRepair(object: string, writer: string | undefined): boolean {
    const waitMs = fights.delayMs(object, now());
    if (waitMs === 0) {
      tried += 1;
      return true;
    }
    report.fought(object, writer, waitMs);
    heldUntil = earliest(heldUntil, new Date(now().getTime() + waitMs));
    return false;
  }

  /**
   * Counts the repairs that were tried meanwhile where they were made, or somebody else was faster. One that was refused, or did
   * not reach the API server, nobody has undone.
   */
  async function counting<T>(object: string, repairing: Promise<T>): Promise<T> {
    const [settled] = await Promise.allSettled([repairing]);
    const isCounted = settled.status === 'fulfilled' || isConflict(settled.reason);
    for (; tried > 0; tried -= 1) if (isCounted) fights.record(object, now());
    return repairing;
  }

  async function certify(live: V1MutatingWebhookConfiguration | undefined): Promise<Certified> {
    const isRunning = status.phase === 'running';
    last = await source({
      now: now(),
      // What is good is presented first: a new key takes longer than all the rest of a start.
      restartedAt: isRunning ? restartedAt : undefined,
      liveBundle: liveBundle(live),
      // What nobody was sent to yet need not keep its trust.
      presented: isRunning ? status.presented : undefined,
      seen,
    });
    return last;
  }

  /** Where the Secret cannot be read, others may know of an authority that this replica does not. */
  function withLive(caBundle: Pem, live: V1MutatingWebhookConfiguration | undefined): Pem {
    const { presented } = status;
    const known = liveBundle(live) ?? ('' as Pem);
    return joinCertificates([caBundle, ...logic.usableAuthorities(known, { now: now(), presented })]);
  }

  /** Our own terms, or those of another replica for as long as it is their turn. */
  function takeTurn(own: DesiredRegistration, live: V1MutatingWebhookConfiguration | undefined) {
    const [terms, other] = [termsOf(own.webhooks[0]), otherTerms(live, own)];
    const turn = turns.choose(terms, other, now());
    const { kind, fightMs } = turn;
    const { name } = config.registration;
    if (other !== undefined && kind === 'yield') {
      report.yielded(name, differing(terms, other));
      return { kind, desired: onTermsOf(own, other), published: () => {} };
    }
    const published = () => {
      turns.published(terms, turn, now());
      if (fightMs !== undefined) report.termsFought(name, differing(terms, other), fightMs);
    };
    return { kind, desired: own, published };
  }

  async function register(
    { caBundle, own: ownBundle, isPaused }: Certified,
    live: V1MutatingWebhookConfiguration | undefined,
  ): Promise<void> {
    const bundle = asPublished(caBundle, liveBundle(live));
    const policy = policies.current();
    const options = { ...config.registration, namespaceSelector: policy.namespaceSelector };
    const own = desiredRegistration(options, bundle, matchConditions(policy), live);
    const { kind, desired, published } = takeTurn(own, live);
    // What differs from what this replica has written itself was changed by somebody: other replicas write the same.
    const wanted = JSON.stringify([ownBundle, termsOf(desired.webhooks[0])]);
    const terms = kind === 'yield' ? 'others' : 'own';
    const isRepair = applied[terms] === wanted || kind === 'return';
    const mayWrite = () => !isPaused && (!isRepair || mayRepair(REGISTRATION, lastWriter(live, own)));
    const registered = await counting(REGISTRATION, reconcileRegistration(registrations, desired, live, mayWrite));
    if (registered.result !== 'held') {
      applied[terms] = wanted;
      published();
    }
    status.liveBundle = registered.liveBundle;
    report.registered(registered, config.registration.name);
  }

  function swap({ serving, waiting }: Certified, present: (pair: CertificatePair) => void): void {
    const { presented, liveBundle, phase } = status;
    if (presented === undefined || liveBundle === undefined) return;
    const stored = { serving, waiting: phase === 'running' ? waiting : undefined };
    if (logic.decidePresentation(stored, { presented, liveBundle, now: now() }) !== 'present') return;
    present(serving);
    status.presented = serving.certificate;
    report.swapped(serving.certificate);
  }

  /** One step. Answers whether there is another one to take. */
  async function step(present: (pair: CertificatePair) => void): Promise<boolean> {
    const live = await registrations.read();
    // Known also where it cannot be mended: readiness and metrics tell of what the API server has.
    status.liveBundle = liveBundle(live) ?? ('' as Pem);
    status.readAt = now();
    metrics.registrationRead(status.readAt);
    const certified = await certify(live).catch((error: unknown) => {
      if (last === undefined) throw error;
      return { ...last, failure: error, caBundle: withLive(last.caBundle, live) };
    });
    const isLost = await register(certified, live).then(() => false, orLost);
    if (!isLost) swap(certified, present);
    if (certified.failure !== undefined) throw certified.failure;
    return isLost || !certified.isAtRest;
  }

  function record({ serving, caBundle }: Certified): void {
    const { presented = '' as Pem, liveBundle = '' as Pem } = status;
    const parsed = (pem: Pem) => splitCertificates(pem).flatMap((one) => parseCertificate(one) ?? []);
    for (const [name, pem] of [
      ['serving', serving.certificate],
      ['ca', caBundle],
    ] as const) {
      const [first] = parsed(pem);
      if (first === undefined) continue;
      metrics.notAfter(name, first.validToDate);
      metrics.renewalDue(
        name,
        config.certificateDirectory === undefined ? renewalMoment(first) : replacementMoment(first),
      );
    }
    const ends = parsed(liveBundle).map(({ validToDate }) => validToDate.getTime());
    if (ends.length > 0) metrics.notAfter('live-bundle', new Date(Math.min(...ends)));
    metrics.trusted(logic.isVerified(presented, liveBundle, now()));
  }

  return {
    certify: async () => certify(await registrations.read()),
    async reconcile(present) {
      heldUntil = undefined;
      try {
        for (let steps = 0; await step(present); steps += 1) {
          if (steps > MOST_STEPS)
            throw new OperatorError('KUBE_CONFLICT', 'what is to be written changes all the time');
        }
      } finally {
        if (last !== undefined) record(last);
      }
      return earliest(heldUntil, last?.until);
    },
  };
}

/** Another replica has written the registration in between: it is looked at again. */
function orLost(error: unknown): true {
  if (isConflict(error)) return true;
  throw error;
}

const isConflict = (error: unknown): boolean => error instanceof OperatorError && error.code === 'KUBE_CONFLICT';

const earliest = (one: Date | undefined, other: Date | undefined): Date | undefined =>
  one === undefined || (other !== undefined && other < one) ? other : one;

/** For how long the same thing has been seen, in milliseconds; 0 when it is another one than last time. */
function createSighting(uptimeMs: () => number): (what: string) => number {
  let last: { readonly what: string; readonly sinceMs: number } | undefined;
  return (what) => {
    if (last?.what !== what) last = { what, sinceMs: uptimeMs() };
    return uptimeMs() - last.sinceMs;
  };
}
