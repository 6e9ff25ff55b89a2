import { joinCertificates } from '../lib/pem.ts';
import type { CertificateLogic } from './certificate-logic.ts';
import type { CertificateSet } from './certificate-set.ts';
import type { CertificateDecision } from './decide.ts';
import { fromSecret, issuedBecause, type SecretContent, type StoredSecret, traitsOf } from './secret.ts';
import { type Asked, askedFor, ROTATE } from './secret-annotations.ts';
import type { Situation } from './situation.ts';
import { parseCertificate, parsePrivateKey } from './x509.ts';

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
  /** Deletes the Secret with the given UID and version. Resolves `false` if it was changed or deleted since. */
  delete(stored: StoredSecret): Promise<boolean>;
}

/** The Secret as read, and the next step for its certificate set. */
export interface SecretFindings {
  readonly situation: Situation;
  readonly stored: StoredSecret | undefined;
  readonly set: CertificateSet | undefined;
  readonly decision: CertificateDecision;
  /** Whether the endpoint can present the stored serving certificate now, even if a step is needed. */
  readonly isUsable: boolean;
}

/** Returns the next step for the Secret. Pure. */
export function decideSecret(
  logic: CertificateLogic,
  stored: StoredSecret | undefined,
  situation: Situation,
): SecretFindings {
  const set = stored && fromSecret(stored);
  const decision = logic.decide(set, situation, stored && traitsOf(stored));
  const isUsable = set !== undefined && (decision.action === 'keep' || canServe(set, logic, situation));
  return { situation, stored, set, decision, isUsable };
}

function canServe({ serving, caBundle }: CertificateSet, logic: CertificateLogic, { now, liveBundle }: Situation) {
  const key = parsePrivateKey(serving.privateKey);
  const isPair = key !== undefined && parseCertificate(serving.certificate)?.checkPrivateKey(key) === true;
  return isPair && logic.isVerified(serving.certificate, joinCertificates([caBundle, liveBundle ?? '']), now);
}

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

async function nextSet(logic: CertificateLogic, findings: SecretFindings): Promise<CertificateSet> {
  const { set, decision, situation } = findings;
  if (set === undefined || decision.action === 'replace') return logic.replace(set, situation);
  if (decision.action === 'keep') return set;
  if (decision.action !== 'recreate') return logic.advance(set, decision, situation);
  // The stored certificates may also be invalid. They are then replaced in the same write, because the endpoint
  // presents the certificates of the recreated Secret.
  const inner = logic.decide(set, situation);
  const isFit = inner.action !== 'replace' && inner.action !== 'renew';
  return isFit ? set : nextSet(logic, { ...findings, decision: inner });
}

async function write(store: SecretStore, { stored, decision }: SecretFindings, content: SecretContent) {
  if (stored === undefined) return store.create(content);
  if (decision.action === 'recreate') {
    // Keep the labels, annotations and data of other writers, and the `rotate` annotation.
    const labels = { ...stored.labels, ...content.labels };
    const annotations = { ...stored.annotations, ...content.annotations };
    const data = { ...stored.data, ...content.data };
    return (await store.delete(stored)) && store.create({ labels, annotations, data });
  }
  const answered = isDone(askedFor(stored), decision) ? { [ROTATE]: null } : {};
  const annotations = { ...content.annotations, ...answered };
  return store.update({ ...content, annotations }, stored.resourceVersion);
}

/**
 * Whether this step completes the rotation that the annotation asks for, so that the annotation is removed. A CA
 * rotation is complete when the previous CA retires, or when both certificates are replaced.
 */
const isDone = (asked: Asked | undefined, { action }: CertificateDecision): boolean =>
  (asked === 'serving' && ['renew', 'switch', 'replace'].includes(action)) ||
  (asked === 'ca' && (action === 'retire' || action === 'replace'));
