import { generateKeyPairSync } from 'node:crypto';
import forge from 'node-forge';
import type { CertificatePair } from '../../../src/certs/certificate-set.ts';
import type { Pem } from '../../../src/lib/pem.ts';

const { pki, md } = forge;

/** Returns a new RSA private key. */
export const anRsaKey = (bits = 2048): Pem =>
  generateKeyPairSync('rsa', { modulusLength: bits }).privateKey.export({ type: 'pkcs1', format: 'pem' }) as Pem;

export interface Alteration {
  /**
   * The new certificate has the subject of this pair as its issuer, and is signed with its key. Default: the issuer
   * stays, and the private key of the new certificate signs it.
   */
  readonly signer?: CertificatePair;
  /** The private key of the new certificate. Default: the private key of the given pair. */
  readonly privateKey?: Pem;
  readonly change?: (certificate: forge.pki.Certificate) => void;
}

/** Returns a copy of an issued certificate that is changed and signed again. */
export function altered(pair: CertificatePair, { signer, privateKey, change }: Alteration): CertificatePair {
  const certificate = pki.certificateFromPem(pair.certificate);
  const ownKey = privateKey ?? pair.privateKey;
  const { n, e } = pki.privateKeyFromPem(ownKey);
  certificate.publicKey = pki.setRsaPublicKey(n, e);
  if (signer) certificate.setIssuer(pki.certificateFromPem(signer.certificate).subject.attributes);
  change?.(certificate);
  certificate.sign(pki.privateKeyFromPem(signer?.privateKey ?? ownKey), md.sha256.create());
  return { certificate: pki.certificateToPem(certificate).replaceAll('\r\n', '\n') as Pem, privateKey: ownKey };
}
