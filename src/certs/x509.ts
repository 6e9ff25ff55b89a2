import { createPrivateKey, X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import { type Pem, splitCertificates } from '../lib/pem.ts';
import { BACKDATE_MS, type ServerNames } from './certificate-set.ts';
import type { Reason } from './reason-texts.ts';

/** The extended key usage of TLS servers (RFC 5280 §4.2.1.12). */
const SERVER_AUTH = '1.3.6.1.5.5.7.3.1';

/** Returns the result of `parse`, or `undefined` if it throws. */
export function ifReadable<Value>(parse: () => Value): Value | undefined {
  try {
    return parse();
  } catch {
    return undefined;
  }
}

/** Returns the first certificate of a PEM text, or `undefined` if it cannot be parsed. */
export const parseCertificate = (pem: string) => ifReadable(() => new X509Certificate(pem));

/** Returns the private key of a PEM text, or `undefined` if it cannot be parsed. */
export const parsePrivateKey = (pem: string) => ifReadable(() => createPrivateKey(pem));

/** Returns when the daemon issued the certificate: one hour after its notBefore date. */
export const issuedAt = (certificate: X509Certificate): Date =>
  new Date(certificate.validFromDate.getTime() + BACKDATE_MS);

/** Returns when the daemon renews the certificate: after two thirds of the time from issue to expiry. */
export function renewalMoment(certificate: X509Certificate): Date {
  const start = issuedAt(certificate).getTime();
  return new Date(start + (2 / 3) * (certificate.validToDate.getTime() - start));
}

/** Maximum time before expiry at which a user-provided certificate counts as overdue for replacement. */
const LATE_MS = 14 * 24 * 60 * 60_000;

/**
 * Returns when the replacement of a user-provided certificate is overdue: a tenth of the lifetime before expiry, but at
 * most two weeks. Common issuers renew when a third of the lifetime is left.
 */
export function replacementMoment({ validFromDate, validToDate }: X509Certificate): Date {
  const tenthMs = (validToDate.getTime() - validFromDate.getTime()) / 10;
  return new Date(validToDate.getTime() - Math.min(tenthMs, LATE_MS));
}

/** Returns `not-yet-valid` or `expired`; `undefined` if the certificate is valid at `now`. */
export function validityProblem(certificate: X509Certificate, now: Date): Reason | undefined {
  if (now < certificate.validFromDate) return 'not-yet-valid';
  return now >= certificate.validToDate ? 'expired' : undefined;
}

/** Returns the name that the API server verifies: the first DNS name, or the first IP address if there is none. */
export const askedName = ({ dns, ip }: ServerNames): ServerNames =>
  dns.length > 0 ? { dns: dns.slice(0, 1), ip: [] } : { dns: [], ip: ip.slice(0, 1) };

/**
 * Returns why the API server would refuse the serving certificate because of its key usage or name. Like Go's TLS
 * client, it accepts a CA certificate, because `openssl req -x509` creates one by default.
 */
export function servingProblem(certificate: X509Certificate, names: ServerNames): Reason | undefined {
  if (certificate.keyUsage?.includes(SERVER_AUTH) === false) return 'wrong-usage';
  return isForNames(certificate, askedName(names)) ? undefined : 'missing-name';
}

/** Whether the subjectAltName covers each of the names. Like Go, it ignores the common name. */
export const isForNames = (
  certificate: X509Certificate,
  { dns, ip }: ServerNames,
  { wildcards = true } = {},
): boolean =>
  dns.every((name) => certificate.checkHost(name, { subject: 'never', wildcards }) !== undefined) &&
  ip.every((address) => isIP(address) !== 0 && certificate.checkIP(address) !== undefined);

/**
 * Whether a chain leads from the certificate to a certificate in the bundle. As in Go's x509, a certificate that is
 * itself in the bundle is trusted. Like the API server, it skips PEM blocks of the bundle that cannot be parsed.
 *
 * @param chain the serving certificate, then intermediates. Certificates that the daemon issues have no intermediates.
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

/** Like `isTrusted`, but takes PEM text: the presented chain, and the CA bundle. */
export const isTrustedBy = (presented: Pem, bundle: Pem, now: Date): boolean =>
  isTrusted(parseCertificates(presented), splitCertificates(bundle), now);

const parseCertificates = (pem: Pem): X509Certificate[] =>
  splitCertificates(pem).flatMap((block) => parseCertificate(block) ?? []);
