import { joinCertificates } from '../lib/pem.ts';
import type { CertificateLogic } from './certificate-logic.ts';
import type { CertificateSet } from './certificate-set.ts';
import type { CertificateDecision } from './decide.ts';
import { fromSecret, issuedBecause, type SecretContent, type StoredSecret, traitsOf } from './secret.ts';
import { type Asked, askedFor, ROTATE } from './secret-annotations.ts';
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

/** The Secret as it was read, and what its certificate set needs next in this situation. */
export interface SecretFindings {
  readonly situation: Situation;
  readonly stored: StoredSecret | undefined;
  readonly set: CertificateSet | undefined;
  readonly decision: CertificateDecision;
  /** Whether the set can be presented as it is, although it may need a step. */
  readonly isUsable: boolean;
}

/** Decides what the Secret needs. Pure. */
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
 * Takes the step that was decided, by a conditional write: any number of replicas may do this at once.
 *
 * @returns the set that was written; `undefined` if the Secret has changed since it was read.
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
  // What is stored may need a new certificate as well, and the endpoint presents what is recreated.
  const inner = logic.decide(set, situation);
  const isFit = inner.action !== 'replace' && inner.action !== 'renew';
  return isFit ? set : nextSet(logic, { ...findings, decision: inner });
}

async function write(store: SecretStore, { stored, decision }: SecretFindings, content: SecretContent) {
  if (stored === undefined) return store.create(content);
  if (decision.action === 'recreate') {
    // With the labels, annotations and data of others, among them what a person asks for.
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
 * Whether this step completes what the annotation asks for, so that it is removed. A CA rotation is complete once its
 * predecessor is retired.
 */
const isDone = (asked: Asked | undefined, { action }: CertificateDecision): boolean =>
  (asked === 'serving' && ['renew', 'switch', 'replace'].includes(action)) ||
  (asked === 'ca' && (action === 'retire' || action === 'replace'));
