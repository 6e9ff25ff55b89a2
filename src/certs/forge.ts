import { X509Certificate } from 'node:crypto';
import forge from 'node-forge';
import { type Pem, splitCertificates } from '../lib/pem.ts';
import type { ServerNames, Subject } from './certificate-set.ts';
import { ifReadable } from './x509.ts';

/*
 * The only door to node-forge, for what node:crypto cannot do: read the extensions of a certificate, and encode a new
 * certificate. Keys and signatures come from node:crypto in issue.ts, so decisions that read through this door reach no
 * key generator and no private key.
 */

const { pki, md, asn1, util } = forge;
// Missing in the types.
const { bytesFromIP } = util as unknown as { bytesFromIP(address: string): string };

/** The part of a certificate that node:crypto does not show. */
export interface CertificateContent {
  readonly isSha256: boolean;
  /** DER values by name; by OID if forge knows no name. */
  readonly extensions: ReadonlyMap<string, string>;
}

/** The name of an object identifier, or the identifier itself if forge knows no name. */
export const nameOfOid = (oid: string): string => pki.oids[oid] ?? oid;

/** Each pass asks about the same few certificates; during a rotation there are four. */
const REMEMBERED = 8;
const remembered = new Map<Pem, CertificateContent | undefined>();

/** Reads a certificate. Never throws: forge reads RSA certificates only, and one with another kind of key is not ours. */
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
 * By way of OpenSSL's DER: forge looks for the lines of a PEM text letter by letter, which took a twentieth of a start.
 *
 * @throws Error if the text is no certificate or its bytes are not DER: OpenSSL repairs that silently, and Go refuses it.
 */
function fromPem(pem: Pem): forge.pki.Certificate {
  const [block = ''] = splitCertificates(pem);
  const { raw } = new X509Certificate(block);
  if (!raw.equals(Buffer.from(block.replace(/-----[^-]+-----/g, ''), 'base64'))) throw new Error('it is not in DER');
  return pki.certificateFromAsn1(fromBytes(raw));
}

export interface CertificateTemplate {
  /** DER of a SubjectPublicKeyInfo. */
  readonly publicKey: Buffer;
  readonly serialNumber: string;
  readonly notBefore: Date;
  readonly notAfter: Date;
  readonly subject: Subject;
  /** The certificate of the CA that signs; `undefined` if the certificate is self-signed. */
  readonly issuer: Pem | undefined;
  /** As forge describes them. The two key identifiers are added. */
  readonly extensions: readonly object[];
}

/** @param sign returns the signature of the bytes: RSA with PKCS #1 v1.5 and SHA-256. */
export function encodeCertificate(template: CertificateTemplate, sign: (bytes: Buffer) => Buffer): Pem {
  const issuer = template.issuer && fromPem(template.issuer);
  const certificate = pki.createCertificate();
  certificate.publicKey = pki.publicKeyFromAsn1(fromBytes(template.publicKey)) as forge.pki.rsa.PublicKey;
  certificate.serialNumber = template.serialNumber;
  certificate.validity = { notBefore: template.notBefore, notAfter: template.notAfter };
  certificate.setSubject(distinguishedName(template.subject));
  certificate.setIssuer(issuer ? nameOf(issuer) : distinguishedName(template.subject));
  // With key identifiers, verifiers choose the right one of two CAs that have the same subject.
  const keyIdentifier = issuer?.generateSubjectKeyIdentifier().getBytes();
  certificate.setExtensions([
    ...template.extensions,
    { name: 'subjectKeyIdentifier' },
    ...(keyIdentifier ? [{ name: 'authorityKeyIdentifier', keyIdentifier }] : []),
  ]);
  const signer = { sign: () => sign(toBytes(certificate.tbsCertificate as forge.asn1.Asn1)).toString('latin1') };
  // Without the second argument forge writes that the certificate was signed with SHA-1.
  certificate.sign(signer as unknown as forge.pki.rsa.PrivateKey, md.sha256.create());
  return new X509Certificate(toBytes(pki.certificateToAsn1(certificate))).toString() as Pem;
}

const fromBytes = (der: Buffer): forge.asn1.Asn1 => asn1.fromDer(der.toString('latin1'));
const toBytes = (value: forge.asn1.Asn1): Buffer => Buffer.from(asn1.toDer(value).getBytes(), 'latin1');

const distinguishedName = (subject: Subject): forge.pki.CertificateField[] =>
  subject.map(({ type: shortName, value }) =>
    // UTF8String as RFC 5280 §4.1.2.4 wants; countryName is a PrintableString by definition, forge's default.
    shortName === 'C' ? { shortName, value } : { shortName, value, valueTagClass: asn1.Type.UTF8 as never },
  );

/** The CA's subject in the form that forge encodes again: forge returns UTF-8 as bytes but takes text. */
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

/** The subjectAltName as forge describes it. */
export const subjectAltName = ({ dns, ip }: ServerNames): object => ({
  name: 'subjectAltName',
  altNames: [...dns.map((value) => ({ type: DNS_NAME, value })), ...ip.map((ip) => ({ type: IP_ADDRESS, ip }))],
});

/**
 * DER of the name constraints that permit the names served (RFC 5280 §4.2.1.10). A kind of name that is not permitted at
 * all would be unconstrained, so the other kind is excluded as a whole: every address by a zero mask, every DNS name by
 * the empty one.
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

/** In a constraint an address is followed by its mask. */
const exactly = (address: string): string => address + '\xff'.repeat(address.length);
const everyAddress = ['\0'.repeat(8), '\0'.repeat(32)]; // 0.0.0.0/0 and ::/0
