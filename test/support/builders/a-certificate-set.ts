import type { CertificateOptions, CertificatePair, CertificateSet } from '../../../src/certs/certificate-set.ts';
import { issueCertificateAuthority, issueServingCertificate } from '../../../src/certs/issue.ts';
import { issuedBecause, SECRET_TYPE, type StoredSecret, toSecret } from '../../../src/certs/secret.ts';
import { readConfig } from '../../../src/cli/config.ts';

export const ISSUED_AT = new Date('2026-03-01T12:00:00Z');

/** The server name that the API server sends and verifies. */
export const SERVER_NAME = 'terraform-job-webhook-service.vela-system.svc';

/** Returns the options of a daemon without flags, with `fields` replaced. */
export const certificateOptions = (fields: Partial<CertificateOptions> = {}): CertificateOptions => ({
  ...readConfig({}).certificates,
  ...fields,
});

export interface CertificateSetFields {
  readonly issuedAt?: Date;
  readonly options?: Partial<CertificateOptions>;
  /** Different numbers give sets with different keys. Without `nth`, equal fields give the same set from the cache. */
  readonly nth?: number;
}

const authorities = new Map<string, Promise<CertificatePair>>();
const sets = new Map<string, Promise<CertificateSet>>();

/** Issues a certificate authority with the code of the daemon. */
export function aCertificateAuthority(fields: CertificateSetFields = {}): Promise<CertificatePair> {
  return once(authorities, fields, () =>
    issueCertificateAuthority(certificateOptions(fields.options), fields.issuedAt ?? ISSUED_AT),
  );
}

/** Issues a complete certificate set at one moment with the code of the daemon. */
export function aCertificateSet(fields: CertificateSetFields = {}): Promise<CertificateSet> {
  return once(sets, fields, async () => {
    const ca = await aCertificateAuthority(fields);
    return {
      ca,
      caBundle: ca.certificate,
      serving: await issueServingCertificate(certificateOptions(fields.options), ca, fields.issuedAt ?? ISSUED_AT),
      nextCa: undefined,
      former: undefined,
      phase: 'stable',
      phaseSince: undefined,
    };
  });
}

/** Returns the Secret in which the daemon stores the set, with `overrides` replaced. */
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

/** Returns the fields without null values, as the API server stores them. */
export const withoutNull = (fields: Readonly<Record<string, string | null>>): Record<string, string> =>
  Object.fromEntries(Object.entries(fields).filter((field): field is [string, string] => field[1] !== null));

function once<T>(cache: Map<string, Promise<T>>, key: object, issue: () => Promise<T>): Promise<T> {
  const text = JSON.stringify(key);
  const found = cache.get(text) ?? issue();
  cache.set(text, found);
  return found;
}
