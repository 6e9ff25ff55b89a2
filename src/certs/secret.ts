import { fromBase64, type Pem, splitCertificates, toBase64 } from '../lib/pem.ts';
import {
  type CertificateOptions,
  type CertificatePair,
  type CertificateSet,
  type Phase,
  phases,
} from './certificate-set.ts';
import { type Asked, askedFor, PHASE, PHASE_SINCE, PREFIX } from './secret-annotations.ts';
import { isOurs, MANAGED_BY } from './secret-ownership.ts';
import { issuedAt, parseCertificate } from './x509.ts';

/** The Secret type for which the API server requires the keys `tls.crt` and `tls.key`. The type is immutable. */
export const SECRET_TYPE = 'kubernetes.io/tls';

/** The fields of the Secret that the daemon writes. An update leaves all other fields unchanged. */
export interface SecretContent {
  readonly labels: Readonly<Record<string, string>>;
  /** `null` removes the annotation or the data key. */
  readonly annotations: Readonly<Record<string, string | null>>;
  readonly data: Readonly<Record<string, string | null>>;
}

/** A Secret as read from the API server. */
export interface StoredSecret {
  readonly uid: string;
  readonly resourceVersion: string;
  readonly type: string;
  readonly isImmutable: boolean;
  /** The finalizers that delay the deletion of the Secret; `undefined` if it is not being deleted. */
  readonly deletionWaitsFor?: readonly string[] | undefined;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly data: Readonly<Record<string, string>>;
  /** The last field manager other than the daemon that wrote the Secret, from `managedFields`. */
  readonly otherWriter: string | undefined;
}

/** Properties of the Secret that influence the next step but are not part of the certificate set. */
export interface SecretTraits {
  readonly asked?: Asked | undefined;
  /** Whether the phase annotation contradicts the stored certificates. */
  readonly isPhaseWrong?: boolean | undefined;
}

/** Returns the certificate set in a Secret. Missing data keys become empty strings, which decide() handles. */
export function fromSecret({ data, annotations }: StoredSecret): CertificateSet {
  const text = (key: string) => fromBase64(data[key] ?? '') as Pem;
  const caBundle = text('ca.crt');
  const nextCa = { certificate: text('next-ca.crt'), privateKey: text('next-ca.key') };
  const hasNext = nextCa.certificate !== '' || nextCa.privateKey !== '';
  return {
    ca: { certificate: splitCertificates(caBundle)[0] ?? caBundle, privateKey: text('ca.key') },
    caBundle,
    serving: { certificate: text('tls.crt'), privateKey: text('tls.key') },
    nextCa: hasNext ? nextCa : undefined,
    former: data['former-tls.crt']
      ? { certificate: text('former-tls.crt'), privateKey: text('former-tls.key') }
      : undefined,
    phase: readPhase(annotations[PHASE], hasNext, splitCertificates(caBundle).length),
    phaseSince: readDate(annotations[PHASE_SINCE]),
  };
}

/** Returns the phase of the rotation. If the annotation contradicts the stored certificates, the certificates win. */
function readPhase(word: string | undefined, hasNext: boolean, authorities: number): Phase {
  const phase = phases.find((one) => one === word) ?? 'stable';
  if (hasNext) return phase === 'settling' ? 'settling' : 'publishing';
  if (authorities > 1) return phase === 'stable' ? 'retiring' : phase;
  return 'stable';
}

function readDate(text: string | undefined): Date | undefined {
  const date = new Date(text ?? '');
  return Number.isNaN(date.getTime()) ? undefined : date;
}

/**
 * Returns the labels, data and annotations of the Secret for a certificate set, except the `…-issued-because`
 * annotations.
 */
export function toSecret(set: CertificateSet, { names }: CertificateOptions): SecretContent {
  return {
    labels: MANAGED_BY,
    annotations: {
      ...describe('ca', set.ca.certificate),
      ...describe('next-ca', set.nextCa?.certificate),
      ...describe('serving', set.serving.certificate),
      [`${PREFIX}/names`]: [...names.dns, ...names.ip].join(', '),
      [PHASE]: set.phase,
      [PHASE_SINCE]: set.phaseSince?.toISOString() ?? null,
    },
    data: {
      'tls.crt': toBase64(set.serving.certificate),
      'tls.key': toBase64(set.serving.privateKey),
      'ca.crt': toBase64(set.caBundle),
      'ca.key': toBase64(set.ca.privateKey),
      'next-ca.crt': set.nextCa ? toBase64(set.nextCa.certificate) : null,
      'next-ca.key': set.nextCa ? toBase64(set.nextCa.privateKey) : null,
      'former-tls.crt': set.former ? toBase64(set.former.certificate) : null,
      'former-tls.key': set.former ? toBase64(set.former.privateKey) : null,
    },
  };
}

/**
 * Returns the `…-issued-because` annotations of the certificates that a step has changed. The value is the reason of
 * the step. The step `switch` has no reason, so the CA that it makes the current one keeps the reason for which it was
 * issued, and the new serving certificate gets the same reason.
 */
export function issuedBecause(
  { set, stored }: { readonly set: CertificateSet | undefined; readonly stored: StoredSecret | undefined },
  next: CertificateSet,
  reason = stored?.annotations[`${PREFIX}/next-ca-issued-because`] ?? 'absent',
): SecretContent['annotations'] {
  const annotation = (part: string, before: CertificatePair | undefined, after: CertificatePair | undefined) =>
    after?.certificate === before?.certificate ? {} : { [`${PREFIX}/${part}-issued-because`]: after ? reason : null };
  return {
    ...annotation('ca', set?.ca, next.ca),
    ...annotation('next-ca', set?.nextCa, next.nextCa),
    ...annotation('serving', set?.serving, next.serving),
  };
}

/** Whether the phase annotation contradicts the stored certificates. */
export const isPhaseWrong = (stored: StoredSecret): boolean =>
  (stored.annotations[PHASE] ?? 'stable') !== fromSecret(stored).phase;

/**
 * Returns the requested rotation, and whether the phase annotation is wrong. Returns neither for a Secret without the
 * daemon's label, because the daemon must not write that Secret.
 */
export function traitsOf(stored: StoredSecret): SecretTraits {
  if (!isOurs(stored)) return {};
  return { asked: askedFor(stored), isPhaseWrong: isPhaseWrong(stored) };
}

/** Returns why the Secret cannot be updated: a write must delete it and create it again. */
export function flawOf({ type, isImmutable }: StoredSecret): 'wrong-type' | 'immutable' | undefined {
  if (type !== SECRET_TYPE) return 'wrong-type';
  return isImmutable ? 'immutable' : undefined;
}

function describe(part: string, pem: string = ''): Record<string, string | null> {
  const certificate = parseCertificate(pem);
  return {
    [`${PREFIX}/${part}-not-after`]: certificate ? toSeconds(certificate.validToDate) : null,
    [`${PREFIX}/${part}-fingerprint-sha256`]: certificate?.fingerprint256 ?? null,
    [`${PREFIX}/${part}-issued-at`]: certificate ? toSeconds(issuedAt(certificate)) : null,
  };
}

const toSeconds = (date: Date): string => date.toISOString().replace(/\.\d+Z$/, 'Z');
