import type { CertificateOptions, CertificatePair, CertificateSet } from '../../../src/certs/certificate-set.ts';
import { issueCertificateAuthority, issueServingCertificate } from '../../../src/certs/issue.ts';
import { issuedBecause, SECRET_TYPE, type StoredSecret, toSecret } from '../../../src/certs/secret.ts';
import { readConfig } from '../../../src/cli/config.ts';

export const ISSUED_AT = new Date('2026-03-01T12:00:00Z');

/** The name that the API server asks for. */
export const SERVER_NAME = 'terraform-job-webhook-service.vela-system.svc';

/** Those of a daemon without any option, but for the fields that a test is about. */
export const certificateOptions = (fields: Partial<CertificateOptions> = {}): CertificateOptions => ({
  ...readConfig({}).certificates,
  ...fields,
});

export interface CertificateSetFields {
  readonly issuedAt?: Date;
  readonly options?: Partial<CertificateOptions>;
  /** What is asked for twice is issued once: another number asks for another one. */
  readonly nth?: number;
}

const authorities = new Map<string, Promise<CertificatePair>>();
const sets = new Map<string, Promise<CertificateSet>>();

/** A certificate authority that was really issued. */
export function aCertificateAuthority(fields: CertificateSetFields = {}): Promise<CertificatePair> {
  return once(authorities, fields, () =>
    issueCertificateAuthority(certificateOptions(fields.options), fields.issuedAt ?? ISSUED_AT),
  );
}

/** A whole certificate set that was really issued, all of it at one moment. */
export function aCertificateSet(fields: CertificateSetFields = {}): Promise<CertificateSet> {
  return once(sets, fields, async () => {
    const ca = await aCertificateAuthority(fields);
    return {
      ca,
      caBundle: ca.certificate,
      serving: await issueServingCertificate(certificateOptions(fields.options), ca, fields.issuedAt ?? ISSUED_AT),
      nextCa: undefined,
      phase: 'stable',
      phaseSince: undefined,
    };
  });
}

/** The set as the daemon stores it, in a Secret that differs where a test says so. */
export function stored(set: CertificateSet, overrides: Partial<StoredSecret> = {}): StoredSecret {
  const content = toSecret(set, certificateOptions());
  return {
    uid: '11111111-2222-4333-8444-555555555555',
    resourceVersion: '1',
    type: SECRET_TYPE,
    isImmutable: false,
    labels: content.labels,
    annotations: withoutNull({
      ...content.annotations,
      ...issuedBecause({ set: undefined, stored: undefined }, set),
    }),
    data: withoutNull(content.data),
    otherWriter: undefined,
    ...overrides,
  };
}

/** As the API server keeps it: what is written as null is not there. */
export const withoutNull = (fields: Readonly<Record<string, string | null>>): Record<string, string> =>
  Object.fromEntries(Object.entries(fields).filter((field): field is [string, string] => field[1] !== null));

function once<T>(cache: Map<string, Promise<T>>, key: object, issue: () => Promise<T>): Promise<T> {
  const text = JSON.stringify(key);
  const found = cache.get(text) ?? issue();
  cache.set(text, found);
  return found;
}
