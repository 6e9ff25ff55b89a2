import { joinCertificates, type Pem } from '../lib/pem.ts';
import type { CertificateLogic } from './certificate-logic.ts';
import type { CertificateSet } from './certificate-set.ts';
import type { CertificateDecision } from './decide.ts';
import { flawOf, fromSecret, issuedBecause, type SecretContent, type StoredSecret, traitsOf } from './secret.ts';
import { type Asked, askedFor, ROTATE } from './secret-annotations.ts';
import type { Situation } from './situation.ts';

/**
 * Access to the Secret of the daemon. If another writer came first, a write resolves with `false` and does not throw.
 */
export interface SecretStore {
  /** `namespace/name`, for messages. */
  readonly reference: string;
  read(): Promise<StoredSecret | undefined>;
  /** Resolves `false` if the Secret exists already; the caller must read it. */
  create(content: SecretContent): Promise<boolean>;
  /** Resolves `false` if the Secret was changed or deleted since `resourceVersion`; the caller must read it again. */
  update(content: SecretContent, resourceVersion: string): Promise<boolean>;
  /**
   * Deletes the Secret with the given UID and version. Resolves `false` if it was changed or deleted since, or if
   * finalizers delay its deletion; the caller must read it again.
   */
  delete(stored: StoredSecret): Promise<boolean>;
}

/** The Secret as read, and the next step for its certificate set. */
export interface SecretFindings {
  readonly situation: Situation;
  readonly stored: StoredSecret | undefined;
  /** Whether `stored` is the last known content of a Secret that this process deleted and could not create again. */
  readonly isGone: boolean;
  readonly set: CertificateSet | undefined;
  readonly decision: CertificateDecision;
  /** Whether the endpoint can present the stored serving certificate now, even if a step is needed. */
  readonly isUsable: boolean;
}

/**
 * Returns the next step for the Secret. Pure.
 *
 * @param kept the content to create again if there is no Secret.
 */
export function decideSecret(
  logic: CertificateLogic,
  { read, kept }: { readonly read: StoredSecret | undefined; readonly kept?: StoredSecret | undefined },
  situation: Situation,
): SecretFindings {
  const stored = read ?? kept;
  const isGone = read === undefined && kept !== undefined;
  const set = stored && fromSecret(stored);
  const decided = logic.decide(set, situation, stored && traitsOf(stored));
  const decision = isGone && decided.action === 'keep' ? ({ action: 'recreate', reason: 'absent' } as const) : decided;
  const isUsable = set !== undefined && (decided.action === 'keep' || canServe(set, logic, situation));
  return { situation, stored, isGone, set, decision, isUsable };
}

const canServe = (
  { serving, caBundle }: CertificateSet,
  logic: CertificateLogic,
  { now, liveBundle = '' as Pem }: Situation,
) => logic.canPresent(serving, joinCertificates([caBundle, liveBundle]), now);

/**
 * Takes the decided step and writes the Secret if it has not changed since it was read. Several replicas can do so
 * concurrently.
 *
 * @returns the written certificate set; `undefined` if the Secret has changed since it was read.
 * @throws OperatorError `CERTIFICATE_ISSUE_FAILED`; the `KUBE_…` codes.
 */
export async function takeSecretStep(
  store: SecretStore,
  logic: CertificateLogic,
  findings: SecretFindings,
): Promise<CertificateSet | undefined> {
  const next = await nextSet(logic, findings);
  const content = logic.toSecret(next);
  const { decision } = findings;
  const because = issuedBecause(findings, next, 'reason' in decision ? decision.reason : undefined);
  const annotations = { ...content.annotations, ...because };
  return (await write(store, findings, { ...content, annotations })) ? next : undefined;
}

async function nextSet(logic: CertificateLogic, { set, decision, situation }: SecretFindings): Promise<CertificateSet> {
  if (set === undefined || decision.action === 'replace') return logic.replace(set, situation);
  if (decision.action === 'keep' || decision.action === 'recreate') return set;
  return logic.advance(set, decision, situation);
}

async function write(store: SecretStore, { stored, isGone, decision }: SecretFindings, content: SecretContent) {
  if (stored === undefined) return store.create(content);
  const answered = isDone(askedFor(stored), decision) ? { [ROTATE]: null } : {};
  const annotations = { ...content.annotations, ...answered };
  if (!isGone && flawOf(stored) === undefined) {
    return store.update({ ...content, annotations }, stored.resourceVersion);
  }
  // Keep the labels, annotations and data of other writers.
  const whole = {
    labels: { ...stored.labels, ...content.labels },
    annotations: { ...stored.annotations, ...annotations },
    data: { ...stored.data, ...content.data },
  };
  return (isGone || (await store.delete(stored))) && store.create(whole);
}

/**
 * Whether the step completes the rotation that the annotation `rotate` requests, so that the annotation is removed. The
 * request `serving` is complete with a new serving certificate. The request `ca` is complete when the old CA retires.
 * The step `replace`, which replaces the CA and the serving certificate at once, completes both requests.
 */
const isDone = (asked: Asked | undefined, { action }: CertificateDecision): boolean =>
  (asked === 'serving' && ['renew', 'switch', 'replace'].includes(action)) ||
  (asked === 'ca' && (action === 'retire' || action === 'replace'));
