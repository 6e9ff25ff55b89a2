import { OperatorError } from '../lib/errors.ts';
import { type Base64, joinCertificates } from '../lib/pem.ts';
import type { Explained } from './advance.ts';
import { type CertificateLogic, createCertificateLogic } from './certificate-logic.ts';
import type { CertificateOptions, CertificateSet } from './certificate-set.ts';
import type { CertificateDecision } from './decide.ts';
import { phaseKey } from './rotation.ts';
import {
  askedFor,
  fromSecret,
  isOurs,
  isPaused,
  issueReasons,
  MANAGED_BY,
  MANAGED_BY_LABEL,
  misunderstood,
  ROTATE,
  type SecretContent,
  type StoredSecret,
  traitsOf,
} from './secret.ts';
import type { Situation } from './situation.ts';
import { parseCertificate, parsePrivateKey } from './x509.ts';

/** The one Secret of the daemon. A lost race is an answer, not an error. */
export interface SecretStore {
  /** How messages name it: `namespace/name`. */
  readonly reference: string;
  read(): Promise<StoredSecret | undefined>;
  /** Resolves `false` when another replica created it first: read it and use theirs. */
  create(content: SecretContent): Promise<boolean>;
  /** Resolves `false` when it was changed or deleted since `resourceVersion`: read it again. */
  update(content: SecretContent, resourceVersion: string): Promise<boolean>;
  /** Deletes exactly the object that was read. Resolves `false` when it was changed or deleted since. */
  delete(stored: StoredSecret): Promise<boolean>;
}

/** Why a write that is needed is not made now. */
export type Held = 'paused' | 'fight';

export interface Ensured {
  /** What the Secret holds now: fit to be presented. */
  readonly set: CertificateSet;
  /** What was found; its step was taken unless it was held back. */
  readonly verdict: CertificateDecision;
  readonly held: Held | undefined;
  /** Whether a person has paused all writes, also those of the registration. */
  readonly isPaused: boolean;
  /** What a person has asked for in words that say nothing. */
  readonly misunderstood: string | undefined;
}

/** The situation of a look, and for how long this process has seen the phase of that name. */
export interface Look extends Situation {
  readonly seen?: ((phase: string) => number) | undefined;
}

/** Asked before each write: what keeps it from being made. */
export type Permit = (verdict: CertificateDecision, stored: StoredSecret | undefined) => Held | undefined;

/**
 * Looks at the Secret and takes the one step that brings its certificate set further, if there is one. What is healthy
 * is reused. To be called again until the answer is to keep what is there.
 *
 * Every write is conditional, so any number of replicas may call this at once: who loses a race reads the winner's set.
 *
 * @throws OperatorError `SECRET_NOT_OURS` when a write is needed and the Secret lacks the managed-by label;
 *   `WRITES_PAUSED` when nothing can be presented without a write that is held back; `CERTIFICATE_ISSUE_FAILED`; the
 *   `KUBE_…` codes, `KUBE_CONFLICT` when race after race was lost.
 */
export async function ensureCertificates(
  store: SecretStore,
  options: CertificateOptions,
  circumstances: Look,
  permit: Permit = () => undefined,
): Promise<Ensured> {
  const logic = createCertificateLogic(options);
  for (let lost = 0; lost < MOST_LOST_RACES; lost += 1) {
    const ensured = await tryOnce(store, logic, circumstances, permit);
    if (ensured !== undefined) return ensured;
  }
  throw new OperatorError('KUBE_CONFLICT', `Secret ${store.reference} is changed faster than it can be written`);
}

/** Each lost race is a step that another replica has taken, and a rotation has six of them. */
const MOST_LOST_RACES = 10;

/** Answers `undefined` when another replica was faster: then everything is to be looked at again. */
async function tryOnce(
  store: SecretStore,
  logic: CertificateLogic,
  circumstances: Look,
  permit: Permit,
): Promise<Ensured | undefined> {
  const stored = await store.read();
  const set = stored && fromSecret(stored);
  const phaseSeenMs = set && circumstances.seen?.(phaseKey(set));
  const verdict = logic.decide(set, { ...circumstances, phaseSeenMs }, stored && traitsOf(stored));
  const isStopped = stored !== undefined && isPaused(stored);
  const rest = { isPaused: isStopped, misunderstood: stored && misunderstood(stored) };
  if (set !== undefined && verdict.action === 'keep') return { set, verdict, held: undefined, ...rest };

  if (stored !== undefined) refuseForeign(stored, store.reference);
  const held = isStopped ? 'paused' : permit(verdict, stored);
  if (held) {
    const found = { stored, set, verdict };
    return { set: usable(found, held, store.reference, logic, circumstances), verdict, held, ...rest };
  }

  const written = await takeStep(store, { stored, set, verdict }, logic, circumstances);
  return written && { set: written, verdict, held, ...rest };
}

interface Found {
  readonly stored: StoredSecret | undefined;
  readonly set: CertificateSet | undefined;
  readonly verdict: CertificateDecision;
}

/** Answers what was written, or `undefined` when somebody else was faster. */
async function takeStep(
  store: SecretStore,
  { stored, set, verdict }: Found,
  logic: CertificateLogic,
  circumstances: Situation,
): Promise<CertificateSet | undefined> {
  if (stored && set && verdict.action === 'recreate') {
    // What it holds may be no good either, and whoever starts presents what is answered here.
    const judged = logic.decide(set, circumstances);
    const isFit = judged.action !== 'replace' && judged.action !== 'renew';
    const next = isFit
      ? { set, reasons: issueReasons(stored) }
      : await nextSet({ stored, set, verdict: judged }, logic, circumstances);
    const content = withOthers(logic.toSecret(next), stored);
    const isWritten = (await store.delete(stored)) && (await store.create(content));
    return isWritten ? next.set : undefined;
  }
  const next = await nextSet({ stored, set, verdict }, logic, circumstances);
  const content = logic.toSecret(next);
  const isAnswered = stored && isDone(askedFor(stored), verdict);
  const annotations = { ...content.annotations, ...(isAnswered ? { [ROTATE]: null } : {}) };
  const isWritten = stored
    ? await store.update({ ...content, annotations }, stored.resourceVersion)
    : await store.create(content);
  return isWritten ? next.set : undefined;
}

/** With what others have put on the Secret, among it what a person asks for. */
const withOthers = ({ labels, annotations, data }: SecretContent, stored: StoredSecret): SecretContent => ({
  labels: { ...stored.labels, ...labels },
  annotations: { ...stored.annotations, ...annotations },
  data: { ...(stored.data as Record<string, Base64>), ...data },
});

async function nextSet(
  { stored, set, verdict }: Found,
  logic: CertificateLogic,
  circumstances: Situation,
): Promise<Explained> {
  if (stored && set && verdict.action !== 'replace' && verdict.action !== 'keep' && verdict.action !== 'recreate') {
    return logic.advance({ set, reasons: issueReasons(stored) }, verdict, circumstances);
  }
  const reason = 'reason' in verdict ? verdict.reason : 'absent';
  const reasons = { ca: reason, 'next-ca': reason, serving: reason };
  return { set: await logic.replace(set, circumstances), reasons };
}

/** Whether this step is what the annotation asks for: then that goes. A CA is rotated once its predecessor is gone. */
const isDone = (asked: 'serving' | 'ca' | undefined, { action }: CertificateDecision): boolean =>
  (asked === 'serving' && ['renew', 'switch', 'replace'].includes(action)) ||
  (asked === 'ca' && (action === 'retire' || action === 'replace'));

/** What can be presented although it should be something else by now. */
function usable(
  { set, verdict }: Found,
  held: Held,
  reference: string,
  logic: CertificateLogic,
  circumstances: Situation,
): CertificateSet {
  if (set !== undefined && canServe(set, logic, circumstances)) return set;
  const reason = 'reason' in verdict ? verdict.reason : verdict.action;
  throw new OperatorError(
    'WRITES_PAUSED',
    held === 'paused'
      ? `Secret ${reference} has to be written (${reason}), but its annotation terraform.job.kb.io/paused=true forbids that. ` +
          `To go on: kubectl -n ${reference.replace('/', ' annotate secret ')} terraform.job.kb.io/paused-`
      : `Secret ${reference} has to be written (${reason}), but somebody else undoes that again and again: waiting`,
  );
}

function canServe({ serving, caBundle }: CertificateSet, logic: CertificateLogic, { now, liveBundle }: Situation) {
  const key = parsePrivateKey(serving.privateKey);
  const isPair = key !== undefined && parseCertificate(serving.certificate)?.checkPrivateKey(key) === true;
  return isPair && logic.isVerified(serving.certificate, joinCertificates([caBundle, liveBundle ?? '']), now);
}

function refuseForeign(stored: StoredSecret, reference: string): void {
  if (isOurs(stored)) return;
  const label = MANAGED_BY_LABEL;
  const value = MANAGED_BY[MANAGED_BY_LABEL];
  const [namespace, name] = reference.split('/');
  throw new OperatorError(
    'SECRET_NOT_OURS',
    `Secret ${reference} has no label ${label}=${value}, so it is not overwritten. ` +
      `To hand it over: kubectl -n ${namespace} label secret ${name} ${label}=${value}. ` +
      'To leave it alone: choose another name with --secret-name, or bring your own certificate with --webhook-cert-path.',
  );
}
