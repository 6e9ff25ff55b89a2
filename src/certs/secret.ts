import { type Base64, fromBase64, type Pem, splitCertificates, toBase64 } from '../encodings.ts';
import type { CertificateOptions, CertificateSet } from './certificate-set.ts';
import { isReason, type Reason } from './reasons.ts';
import { issuedAt, parseCertificate } from './x509.ts';

/** The label by which the daemon knows what is its own to overwrite. */
export const MANAGED_BY = { 'app.kubernetes.io/managed-by': 'terraform-daemon' } as const;

const PREFIX = 'terraform.job.kb.io';

/** The parts of a Secret that the daemon writes; everything else on it belongs to others and stays. */
export interface SecretContent {
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly data: Readonly<Record<string, Base64>>;
}

/** A Secret as the API server has it. */
export interface StoredSecret {
  readonly resourceVersion: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly data: Readonly<Record<string, string>>;
}

/** Why each part of a set was issued. */
export interface IssueReasons {
  readonly ca: Reason;
  readonly serving: Reason;
}

/** The certificate set in a Secret's data. What is missing is empty text: judging that is not done here. */
export function fromSecret({ data }: StoredSecret): CertificateSet {
  const text = (key: string) => fromBase64(data[key] ?? '') as Pem;
  const caBundle = text('ca.crt');
  return {
    ca: { certificate: splitCertificates(caBundle)[0] ?? caBundle, privateKey: text('ca.key') },
    caBundle,
    serving: { certificate: text('tls.crt'), privateKey: text('tls.key') },
  };
}

/** What to write for a certificate set: the data, and annotations that tell a person what is in there. */
export function toSecret(set: CertificateSet, { names }: CertificateOptions, reasons: IssueReasons): SecretContent {
  return {
    labels: MANAGED_BY,
    annotations: {
      ...describe('ca', set.ca.certificate, reasons.ca),
      ...describe('serving', set.serving.certificate, reasons.serving),
      [`${PREFIX}/names`]: [...names.dns, ...names.ip].join(', '),
    },
    data: {
      'tls.crt': toBase64(set.serving.certificate),
      'tls.key': toBase64(set.serving.privateKey),
      'ca.crt': toBase64(set.caBundle),
      'ca.key': toBase64(set.ca.privateKey),
    },
  };
}

/** Why the certificate authority in a Secret was issued, for when only the serving certificate is renewed. */
export function caReason({ annotations }: StoredSecret): Reason {
  const word = annotations[`${PREFIX}/ca-issued-because`];
  return isReason(word) ? word : 'absent';
}

function describe(part: 'ca' | 'serving', pem: Pem, reason: Reason): Record<string, string> {
  const certificate = parseCertificate(pem);
  if (certificate === undefined) return {};
  return {
    [`${PREFIX}/${part}-not-after`]: toSeconds(certificate.validToDate),
    [`${PREFIX}/${part}-fingerprint-sha256`]: certificate.fingerprint256,
    [`${PREFIX}/${part}-issued-at`]: toSeconds(issuedAt(certificate)),
    [`${PREFIX}/${part}-issued-because`]: reason,
  };
}

const toSeconds = (date: Date): string => date.toISOString().replace(/\.\d+Z$/, 'Z');
