import { X509Certificate } from 'node:crypto';
import forge from 'node-forge';
import { type Pem, splitCertificates } from '../lib/pem.ts';
import type { ServerNames, Subject } from './certificate-set.ts';
import { ifReadable } from './x509.ts';

/*
 * The only module that imports node-forge. It does what node:crypto cannot: read the extensions of a certificate, and
 * encode a new certificate. The module issue.ts creates keys and signatures with node:crypto.
 */

const { pki, md, asn1, util } = forge;
// The type definitions of node-forge lack the function `bytesFromIP`.
const { bytesFromIP } = util as unknown as { bytesFromIP(address: string): string };

/** The parts of a certificate that node:crypto does not expose. */
export interface CertificateContent {
  readonly isSha256: boolean;
  /** The DER value of each extension, by the name of the extension, or by its OID if forge has no name for it. */
  readonly extensions: ReadonlyMap<string, string>;
}

/** Returns the name of an object identifier, or the identifier itself if forge has no name for it. */
export const nameOfOid = (oid: string): string => pki.oids[oid] ?? oid;

/** Maximum number of certificates in the cache. Each reconciliation reads the same few. */
const REMEMBERED = 8;
const remembered = new Map<Pem, CertificateContent | undefined>();

/** Returns the content of an RSA certificate; `undefined` for any other text or kind of key. Caches the result. */
export function readContent(pem: Pem): CertificateContent | undefined {
  if (!remembered.has(pem)) {
    if (remembered.size >= REMEMBERED) remembered.clear();
    const content = ifReadable(() => contentOf(fromPem(pem)));
    remembered.set(pem, content);
  }
  return remembered.get(pem);
}

const contentOf = ({ signatureOid, siginfo, extensions }: forge.pki.Certificate): CertificateContent => ({
  isSha256: [signatureOid, siginfo.algorithmOid].every((oid) => oid === pki.oids.sha256WithRSAEncryption),
  extensions: new Map(extensions.map(({ name, id, value }) => [name ?? id, value])),
});

/**
 * Parses the PEM text with OpenSSL, because the PEM parser of forge is slow.
 *
 * @throws Error if the text is no certificate, or if its bytes are not DER. OpenSSL silently corrects such bytes, and
 * Go refuses them.
 */
function fromPem(pem: Pem): forge.pki.Certificate {
  const [block = ''] = splitCertificates(pem);
  const { raw } = new X509Certificate(block);
  if (!raw.equals(Buffer.from(block.replace(/-----[^-]+-----/g, ''), 'base64')))
    throw new Error('the certificate is not encoded in DER');
  return pki.certificateFromAsn1(fromBytes(raw));
}

export interface CertificateTemplate {
  /** DER of a SubjectPublicKeyInfo. */
  readonly publicKey: Buffer;
  readonly serialNumber: string;
  readonly notBefore: Date;
  readonly notAfter: Date;
  readonly subject: Subject;
  /** The certificate of the signing CA; `undefined` for a self-signed certificate. */
  readonly issuer: Pem | undefined;
  /** The extensions in forge's format. The function encodeCertificate adds the two key identifiers. */
  readonly extensions: readonly object[];
}

/**
 * Returns the PEM text of a new certificate.
 *
 * @param sign returns the signature of the bytes: RSA with PKCS #1 v1.5 and SHA-256.
 */
export function encodeCertificate(template: CertificateTemplate, sign: (bytes: Buffer) => Buffer): Pem {
  const issuer = template.issuer && fromPem(template.issuer);
  const certificate = pki.createCertificate();
  certificate.publicKey = pki.publicKeyFromAsn1(fromBytes(template.publicKey)) as forge.pki.rsa.PublicKey;
  certificate.serialNumber = template.serialNumber;
  certificate.validity = { notBefore: template.notBefore, notAfter: template.notAfter };
  certificate.setSubject(distinguishedName(template.subject));
  certificate.setIssuer(issuer ? nameOf(issuer) : distinguishedName(template.subject));
  // Key identifiers let verifiers distinguish two CAs with the same subject.
  const keyIdentifier = issuer?.generateSubjectKeyIdentifier().getBytes();
  certificate.setExtensions([
    ...template.extensions,
    { name: 'subjectKeyIdentifier' },
    ...(keyIdentifier ? [{ name: 'authorityKeyIdentifier', keyIdentifier }] : []),
  ]);
  const signer = { sign: () => sign(toBytes(certificate.tbsCertificate as forge.asn1.Asn1)).toString('latin1') };
  // Without the argument `md.sha256.create()`, forge names SHA-1 as the signature algorithm of the certificate.
  certificate.sign(signer as unknown as forge.pki.rsa.PrivateKey, md.sha256.create());
  return new X509Certificate(toBytes(pki.certificateToAsn1(certificate))).toString() as Pem;
}

const fromBytes = (der: Buffer): forge.asn1.Asn1 => asn1.fromDer(der.toString('latin1'));
const toBytes = (value: forge.asn1.Asn1): Buffer => Buffer.from(asn1.toDer(value).getBytes(), 'latin1');

const distinguishedName = (subject: Subject): forge.pki.CertificateField[] =>
  subject.map(({ type: shortName, value }) =>
    // RFC 5280 §4.1.2.4 requires UTF8String; countryName must be a PrintableString, which is forge's default.
    shortName === 'C' ? { shortName, value } : { shortName, value, valueTagClass: asn1.Type.UTF8 as never },
  );

/**
 * Returns the subject of the CA in the form that forge can encode. forge parses a UTF-8 value to bytes, but expects
 * text when it encodes the value. So this function decodes the UTF-8 values.
 */
function nameOf(authority: forge.pki.Certificate): forge.pki.CertificateField[] {
  return authority.subject.attributes.map((attribute) =>
    Number(attribute.valueTagClass) === asn1.Type.UTF8
      ? { ...attribute, value: util.decodeUtf8(String(attribute.value)) }
      : attribute,
  );
}

/** Tags of a GeneralName (RFC 5280 §4.2.1.6). */
const DNS_NAME = 2;
const IP_ADDRESS = 7;

/** Returns the subjectAltName extension in forge's format. */
export const subjectAltName = ({ dns, ip }: ServerNames): object => ({
  name: 'subjectAltName',
  altNames: [...dns.map((value) => ({ type: DNS_NAME, value })), ...ip.map((ip) => ({ type: IP_ADDRESS, ip }))],
});

/**
 * Returns the DER of name constraints that permit only the server names (RFC 5280 §4.2.1.10). All server names must be
 * of one kind: DNS names or IP addresses. The constraints exclude every name of the other kind, because without a
 * constraint for a kind, the CA could sign for every name of that kind.
 */
export function nameConstraints({ dns, ip }: ServerNames): string {
  const permitted = [
    ...dns.map((name) => subtree(DNS_NAME, name)),
    ...ip.map((address) => subtree(IP_ADDRESS, exactly(bytesFromIP(address)))),
  ];
  const excluded =
    dns.length > 0 ? everyAddress.map((addresses) => subtree(IP_ADDRESS, addresses)) : [subtree(DNS_NAME, '')];
  return asn1.toDer(sequence([tagged(0, permitted), tagged(1, excluded)])).getBytes();
}

const sequence = (values: forge.asn1.Asn1[]) => asn1.create(asn1.Class.UNIVERSAL, asn1.Type.SEQUENCE, true, values);
const tagged = (tag: number, value: string | forge.asn1.Asn1[]) =>
  asn1.create(asn1.Class.CONTEXT_SPECIFIC, tag as forge.asn1.Type, Array.isArray(value), value);
const subtree = (tag: number, value: string) => sequence([tagged(tag, value)]);

/** Appends a mask that matches one address, because in a name constraint the mask follows the address. */
const exactly = (address: string): string => address + '\xff'.repeat(address.length);
/** The ranges of all IPv4 and all IPv6 addresses, 0.0.0.0/0 and ::/0: the bytes of the address, then of the mask. */
const everyAddress = ['\0'.repeat(8), '\0'.repeat(32)];
