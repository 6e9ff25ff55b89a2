import { generateKeyPair, randomBytes, sign } from 'node:crypto';
import { promisify } from 'node:util';
import { messageOf, OperatorError } from '../lib/errors.ts';
import type { Pem } from '../lib/pem.ts';
import {
  type CertificateTemplate,
  encodeCertificate,
  nameConstraints,
  subjectAltName,
} from './certificate-encoding.ts';
import { BACKDATE_MS, type CertificateOptions, type CertificatePair } from './certificate-set.ts';
import { parseCertificate } from './x509.ts';

/** Issues the certificates of a certificate set. */
export interface Issuer {
  /** @throws OperatorError `CERTIFICATE_ISSUE_FAILED` */
  authority(options: CertificateOptions, now: Date): Promise<CertificatePair>;
  /** @throws OperatorError `CERTIFICATE_ISSUE_FAILED` */
  serving(options: CertificateOptions, ca: CertificatePair, now: Date): Promise<CertificatePair>;
}

/**
 * Issues a self-signed CA whose name constraints permit only the server names and their subdomains (RFC 5280
 * §4.2.1.10), so that a stolen key cannot sign for other names in the cluster.
 *
 * @throws OperatorError `CERTIFICATE_ISSUE_FAILED`
 */
export function issueCertificateAuthority(options: CertificateOptions, now: Date): Promise<CertificatePair> {
  return issue(options.keySize, {
    notBefore: backdated(now),
    notAfter: new Date(now.getTime() + options.caLifetimeMs),
    subject: options.caSubject,
    extensions: [
      { name: 'basicConstraints', cA: true, pathLenConstraint: 0, critical: true },
      { name: 'keyUsage', keyCertSign: true, cRLSign: true, critical: true },
      { id: '2.5.29.30', critical: true, value: nameConstraints(options.names) },
    ],
  });
}

/**
 * Issues a serving certificate for the server names, signed by `ca`. It expires no later than the CA.
 *
 * @throws OperatorError `CERTIFICATE_ISSUE_FAILED`
 */
export function issueServingCertificate(options: CertificateOptions, ca: CertificatePair, now: Date) {
  const wantedEnd = new Date(now.getTime() + options.servingLifetimeMs);
  const caEnd = parseCertificate(ca.certificate)?.validToDate ?? wantedEnd;
  const template = {
    notBefore: backdated(now),
    notAfter: caEnd < wantedEnd ? caEnd : wantedEnd,
    subject: options.servingSubject,
    extensions: [
      { name: 'basicConstraints', cA: false, critical: true },
      { name: 'keyUsage', digitalSignature: true, keyEncipherment: true, critical: true },
      { name: 'extKeyUsage', serverAuth: true, clientAuth: true },
      subjectAltName(options.names),
    ],
  };
  return issue(options.keySize, template, ca);
}

/** The issuer of the daemon: each certificate gets a new key. */
export const issuer: Issuer = { authority: issueCertificateAuthority, serving: issueServingCertificate };

type Template = Omit<CertificateTemplate, 'publicKey' | 'serialNumber' | 'issuer'>;

/** @param ca the CA that signs; if absent, the certificate is self-signed. */
async function issue(keySize: number, template: Template, ca?: CertificatePair): Promise<CertificatePair> {
  try {
    const { publicKey, privateKey } = await generateRsaKeys(keySize);
    const certificate = encodeCertificate(
      { ...template, publicKey, serialNumber: serialNumber(), issuer: ca?.certificate },
      // Sign with OpenSSL, because a signature in JavaScript would block the event loop for about 0.1 s.
      (bytes) => sign('sha256', bytes, ca?.privateKey ?? privateKey),
    );
    return { certificate, privateKey: privateKey as Pem };
  } catch (error) {
    const text = `cannot issue the ${ca ? 'serving' : 'CA'} certificate: ${messageOf(error)}`;
    throw new OperatorError('CERTIFICATE_ISSUE_FAILED', text, { cause: error });
  }
}

/** Creates an RSA key pair in Node's thread pool, which does not block the event loop. */
const generateRsaKeys = (modulusLength: number) =>
  promisify(generateKeyPair)('rsa', {
    modulusLength,
    publicKeyEncoding: { type: 'spki', format: 'der' },
    privateKeyEncoding: { type: 'pkcs1', format: 'pem' },
  });

const backdated = (now: Date): Date => new Date(now.getTime() - BACKDATE_MS);

/** Returns a random 127-bit number in hex. The first byte is 0x40 to 0x7f, so that DER needs no leading zero. */
function serialNumber(): string {
  const bytes = randomBytes(16);
  bytes.writeUInt8(0x40 | (bytes.readUInt8(0) & 0x3f));
  return bytes.toString('hex');
}
