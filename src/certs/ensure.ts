import { joinCertificates, type Pem } from '../encodings.ts';
import { OperatorError } from '../errors.ts';
import type { CertificateOptions, CertificateSet } from './certificate-set.ts';
import { issueCertificateAuthority, issueServingCertificate } from './issue.ts';
import { judge, type Moments, usableAuthorities, type Verdict } from './judge.ts';
import {
  caReason,
  fromSecret,
  type IssueReasons,
  MANAGED_BY,
  type SecretContent,
  type StoredSecret,
  toSecret,
} from './secret.ts';

/** The one Secret of the daemon. A lost race is an answer, not an error. */
export interface SecretStore {
  /** How messages name it: `namespace/name`. */
  readonly reference: string;
  read(): Promise<StoredSecret | undefined>;
  /** Resolves `false` when another replica created it first: read it and use theirs. */
  create(content: SecretContent): Promise<boolean>;
  /** Resolves `false` when it was changed or deleted since `resourceVersion`: read it again. */
  update(content: SecretContent, resourceVersion: string): Promise<boolean>;
}

export interface Ensured {
  readonly set: CertificateSet;
  /** What was found and done about it. */
  readonly verdict: Verdict;
  /** When the next certificate is due. */
  readonly until: Date;
}

/** What `ensureCertificates` needs to know beside the Secret. */
export interface Circumstances extends Moments {
  /** The CA bundle that the API server verifies with now: replicas may still serve what one of its authorities signed. */
  readonly liveBundle: Pem | undefined;
}

/**
 * Makes sure that the Secret holds a healthy certificate set and answers it. What is healthy is reused.
 *
 * Every write is conditional, so any number of replicas may call this at once: who loses a race reads the winner's set.
 *
 * @throws OperatorError `SECRET_NOT_OURS` when a write is needed and the Secret lacks the managed-by label;
 *   `CERTIFICATE_ISSUE_FAILED`; the `KUBE_…` codes.
 */
export async function ensureCertificates(
  store: SecretStore,
  options: CertificateOptions,
  circumstances: Circumstances,
): Promise<Ensured> {
  const stored = await store.read();
  const set = stored && fromSecret(stored);
  const verdict = judge(set, options, circumstances);
  if (set !== undefined && verdict.action === 'keep') return { set, verdict, until: verdict.until };
  if (stored !== undefined) refuseForeign(stored, store.reference);

  const issued = await issueSet(set, verdict, options, circumstances);
  const content = toSecret(issued, options, issueReasons(stored, verdict));
  const isWritten = stored ? await store.update(content, stored.resourceVersion) : await store.create(content);
  if (!isWritten) return ensureCertificates(store, options, circumstances);
  const after = judge(issued, options, circumstances);
  return { set: issued, verdict, until: after.action === 'keep' ? after.until : circumstances.now };
}

async function issueSet(
  set: CertificateSet | undefined,
  verdict: Verdict,
  options: CertificateOptions,
  { now, liveBundle }: Circumstances,
): Promise<CertificateSet> {
  if (set !== undefined && verdict.action === 'renew') {
    return { ...set, serving: await issueServingCertificate(options, set.ca, now) };
  }
  const ca = await issueCertificateAuthority(options, now);
  const previous = usableAuthorities(joinCertificates([set?.caBundle ?? '', liveBundle ?? '']), options, now);
  const caBundle = joinCertificates([ca.certificate, ...previous]);
  return { ca, caBundle, serving: await issueServingCertificate(options, ca, now) };
}

function issueReasons(stored: StoredSecret | undefined, verdict: Verdict): IssueReasons {
  const reason = verdict.action === 'keep' ? 'absent' : verdict.reason;
  return { serving: reason, ca: stored && verdict.action === 'renew' ? caReason(stored) : reason };
}

function refuseForeign(stored: StoredSecret, reference: string): void {
  const [[label, value]] = Object.entries(MANAGED_BY) as [[string, string]];
  if (stored.labels[label] === value) return;
  const [namespace, name] = reference.split('/');
  throw new OperatorError(
    'SECRET_NOT_OURS',
    `Secret ${reference} has no label ${label}=${value}, so it is not overwritten. ` +
      `To hand it over: kubectl -n ${namespace} label secret ${name} ${label}=${value}. ` +
      'To leave it alone: choose another name with --secret-name, or bring your own certificate with --webhook-cert-path.',
  );
}
