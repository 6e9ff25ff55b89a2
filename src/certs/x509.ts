import { createPrivateKey, X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import { type Pem, splitCertificates } from '../lib/pem.ts';
import { BACKDATE_MS, type ServerNames } from './certificate-set.ts';
import type { Reason } from './reason-texts.ts';

/** The extended key usage of TLS servers (RFC 5280 §4.2.1.12). */
const SERVER_AUTH = '1.3.6.1.5.5.7.3.1';

/** What `parse` returns, or `undefined` if it throws. */
export function ifReadable<Value>(parse: () => Value): Value | undefined {
  try {
    return parse();
  } catch {
    return undefined;
  }
}

/** The first certificate of a PEM text, or `undefined` if it cannot be read. */
export const parseCertificate = (pem: string) => ifReadable(() => new X509Certificate(pem));

/** A private key, or `undefined` if it cannot be read. */
export const parsePrivateKey = (pem: string) => ifReadable(() => createPrivateKey(pem));

/** When the daemon issued the certificate: `BACKDATE_MS` after the moment from which it is valid. */
export const issuedAt = (certificate: X509Certificate): Date =>
  new Date(certificate.validFromDate.getTime() + BACKDATE_MS);

/** Two thirds of the way from issue to expiry. The last third is left for retries, and for a person to fix what fails. */
export function renewalMoment(certificate: X509Certificate): Date {
  const start = issuedAt(certificate).getTime();
  return new Date(start + (2 / 3) * (certificate.validToDate.getTime() - start));
}

/** Time for a person to react; a tenth of a long lifetime would be months. */
const LATE_MS = 14 * 24 * 60 * 60_000;

/**
 * When the next user-provided certificate is overdue: with a tenth of the lifetime left, or two weeks if that is less. The
 * daemon does not know when its issuer plans to renew; common issuers renew with a third left.
 */
export function replacementMoment({ validFromDate, validToDate }: X509Certificate): Date {
  const tenthMs = (validToDate.getTime() - validFromDate.getTime()) / 10;
  return new Date(validToDate.getTime() - Math.min(tenthMs, LATE_MS));
}

export function validityProblem(certificate: X509Certificate, now: Date): Reason | undefined {
  if (now < certificate.validFromDate) return 'not-yet-valid';
  return now >= certificate.validToDate ? 'expired' : undefined;
}

/** The one name that the API server asks for: the first. */
export const askedName = ({ dns, ip }: ServerNames): ServerNames =>
  dns.length > 0 ? { dns: dns.slice(0, 1), ip: [] } : { dns: [], ip: ip.slice(0, 1) };

/**
 * Why the API server would refuse the certificate as that of the endpoint, apart from its validity and its chain. Go's
 * TLS client accepts a CA there, and a plain `openssl req -x509` makes one.
 */
export function servingProblem(certificate: X509Certificate, names: ServerNames): Reason | undefined {
  if (certificate.keyUsage?.includes(SERVER_AUTH) === false) return 'wrong-usage';
  return isForNames(certificate, askedName(names)) ? undefined : 'missing-name';
}

/** Whether the certificate is for each of the names. Go ignores the name in the subject. */
export const isForNames = (
  certificate: X509Certificate,
  { dns, ip }: ServerNames,
  { wildcards = true } = {},
): boolean =>
  dns.every((name) => certificate.checkHost(name, { subject: 'never', wildcards }) !== undefined) &&
  ip.every((address) => isIP(address) !== 0 && certificate.checkIP(address) !== undefined);

/**
 * Whether a chain leads from the certificate to a certificate of the bundle, as Go's x509 sees it: a certificate that is
 * itself in the bundle is trusted. Blocks of the bundle that cannot be read are skipped, as the API server does.
 *
 * @param chain what the endpoint sends: its certificate, then intermediates; none for certificates that the daemon issues.
 */
export function isTrusted(chain: readonly X509Certificate[], bundle: readonly Pem[], now: Date): boolean {
  const [certificate, ...intermediates] = chain;
  if (certificate === undefined) return false;
  const roots = bundle.flatMap((pem) => parseCertificate(pem) ?? []);
  if (roots.some((root) => root.fingerprint256 === certificate.fingerprint256)) return true;
  const signs = (issuer: X509Certificate) =>
    issuer.ca &&
    !validityProblem(issuer, now) &&
    certificate.checkIssued(issuer) &&
    certificate.verify(issuer.publicKey);
  if (roots.some(signs)) return true;
  const next = intermediates.find(signs);
  return next !== undefined && isTrusted([next, ...intermediates.filter((one) => one !== next)], bundle, now);
}

/** The same for PEM text: what an endpoint presents, and a bundle. */
export const isTrustedBy = (presented: Pem, bundle: Pem, now: Date): boolean =>
  isTrusted(parseCertificates(presented), splitCertificates(bundle), now);

const parseCertificates = (pem: Pem): X509Certificate[] =>
  splitCertificates(pem).flatMap((block) => parseCertificate(block) ?? []);
