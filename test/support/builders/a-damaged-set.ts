import type { CertificateSet } from '../../../src/certs/certificate-set.ts';
import type { Pem } from '../../../src/lib/pem.ts';
import { type Alteration, altered } from './altered.ts';

export type Change = NonNullable<Alteration['change']>;

/** Returns copies of a certificate set, each with one damage. */
export function damagesOf(set: CertificateSet) {
  const withCa = (changes: Partial<CertificateSet['ca']>): CertificateSet => ({
    ...set,
    ca: { ...set.ca, ...changes },
  });
  const withServing = (changes: Partial<CertificateSet['serving']>): CertificateSet => ({
    ...set,
    serving: { ...set.serving, ...changes },
  });
  return {
    withCa,
    withServing,
    withAlteredCa: (change: Change, signer = set.ca) => withCa(altered(set.ca, { change, signer })),
    withAlteredServing: (change: Change) => withServing(altered(set.serving, { change, signer: set.ca })),
    withServingKey: (privateKey: Pem) => withServing(altered(set.serving, { privateKey, signer: set.ca })),
  };
}

export const hasNegativeSerial: Change = (certificate) => {
  certificate.serialNumber = 'ff00';
};

export const isCalled =
  (commonName: string): Change =>
  (certificate) =>
    certificate.setSubject([{ shortName: 'CN', value: commonName }]);

export const endsAt =
  (moment: Date): Change =>
  (certificate) => {
    certificate.validity.notAfter = moment;
  };

/** Replaces the extension of that name with one in the form of node-forge; `undefined` removes it. */
export const hasExtension =
  (name: string, extension: object | undefined): Change =>
  (certificate) => {
    const others = certificate.extensions.filter((one: { name?: string }) => one.name !== name);
    certificate.setExtensions(extension === undefined ? others : [...others, { name, ...extension }]);
  };

export const isForNames = (names: readonly string[]): Change =>
  hasExtension('subjectAltName', { altNames: names.map((value) => ({ type: 2, value })) });

export const both =
  (...changes: readonly Change[]): Change =>
  (certificate) => {
    for (const change of changes) change(certificate);
  };
