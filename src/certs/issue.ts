import { randomBytes, sign as signBytes, X509Certificate } from 'node:crypto';
import { promisify } from 'node:util';
import forge from 'node-forge';
import { messageOf, OperatorError } from '../lib/errors.ts';
import { type Pem, splitCertificates } from '../lib/pem.ts';
import {
  BACKDATE_MS,
  type CertificateOptions,
  type CertificatePair,
  type ServerNames,
  type Subject,
} from './certificate-set.ts';

const { pki, md, asn1, util } = forge;
// Missing in the types.
const { bytesFromIP } = util as unknown as { bytesFromIP(address: string): string };

// The callback form runs in Node's thread pool; the promise form of forge and the synchronous one block the event loop.
const generateKeyPair = promisify(
  pki.rsa.generateKeyPair as (
    options: { bits: number },
    callback: (error: Error, keys: forge.pki.rsa.KeyPair) => void,
  ) => void,
);

/**
 * Issues a self-signed certificate authority that can sign for the names served and for nothing else (RFC 5280
 * §4.2.1.10): a stolen key is worth nothing elsewhere in the cluster.
 *
 * @throws OperatorError `CERTIFICATE_ISSUE_FAILED`
 */
export function issueCertificateAuthority(options: CertificateOptions, now: Date): Promise<CertificatePair> {
  return issue('certificate authority', async () => {
    const keys = await generateKeyPair({ bits: options.keySize });
    const subject = distinguishedName(options.caSubject);
    const certificate = template(keys.publicKey, subject, now, new Date(now.getTime() + options.caLifetimeMs));
    certificate.setIssuer(subject);
    certificate.setExtensions([
      { name: 'basicConstraints', cA: true, pathLenConstraint: 0, critical: true },
      { name: 'keyUsage', keyCertSign: true, cRLSign: true, critical: true },
      { id: '2.5.29.30', critical: true, value: nameConstraints(options.names) },
      { name: 'subjectKeyIdentifier' },
    ]);
    return sign(certificate, keys.privateKey, toPem(keys.privateKey));
  });
}

/**
 * Issues a serving certificate for the names wanted, signed by `ca`. It never outlives its authority.
 *
 * @throws OperatorError `CERTIFICATE_ISSUE_FAILED`
 */
export function issueServingCertificate(
  options: CertificateOptions,
  ca: CertificatePair,
  now: Date,
): Promise<CertificatePair> {
  return issue('serving certificate', async () => {
    const authority = fromPem(ca.certificate);
    const keys = await generateKeyPair({ bits: options.keySize });
    const wantedEnd = now.getTime() + options.servingLifetimeMs;
    const notAfter = new Date(Math.min(wantedEnd, authority.validity.notAfter.getTime()));
    const certificate = template(keys.publicKey, distinguishedName(options.servingSubject), now, notAfter);
    certificate.setIssuer(nameOf(authority));
    certificate.setExtensions([
      { name: 'basicConstraints', cA: false, critical: true },
      { name: 'keyUsage', digitalSignature: true, keyEncipherment: true, critical: true },
      { name: 'extKeyUsage', serverAuth: true, clientAuth: true },
      { name: 'subjectAltName', altNames: alternativeNames(options.names) },
      { name: 'subjectKeyIdentifier' },
      { name: 'authorityKeyIdentifier', keyIdentifier: authority.generateSubjectKeyIdentifier().getBytes() },
    ]);
    return sign(certificate, keys.privateKey, ca.privateKey);
  });
}

/**
 * Whether the authority may sign for the names wanted and for no other: only one that was issued for them is. Never
 * throws: forge reads RSA certificates alone, and one with another kind of key is none of ours.
 */
export function isConstrainedTo(ca: Pem, names: ServerNames): boolean {
  const value = read(ca)?.extensions.get('nameConstraints');
  return value === asn1.toDer(nameConstraints(names)).getBytes();
}

/** Whether the serving certificate is for exactly the names wanted: its authority may not sign for others. */
export function isIssuedFor(serving: Pem, names: ServerNames): boolean {
  const { altNames = [] } = (read(serving)?.certificate.getExtension('subjectAltName') ?? {}) as {
    altNames?: { type: number; value: string; ip?: string }[];
  };
  const found = altNames.map(({ type, value }) => `${type} ${value}`);
  const wanted = [
    ...names.dns.map((name) => `${DNS_NAME} ${name}`),
    ...names.ip.map((address) => `${IP_ADDRESS} ${bytesFromIP(address)}`),
  ];
  return found.length === wanted.length && wanted.every((name) => found.includes(name));
}

/**
 * Whether a certificate has the signature algorithm and no other extensions than those that are issued here. Go refuses
 * SHA-1, MD5 and critical extensions that it does not know.
 */
export function isOfOurKind(pem: Pem): boolean {
  const found = read(pem);
  if (found === undefined) return false;
  const { signatureOid, siginfo } = found.certificate;
  const isSha256 = [signatureOid, siginfo.algorithmOid].every((oid) => oid === pki.oids.sha256WithRSAEncryption);
  return isSha256 && [...found.extensions.keys()].every((name) => ourExtensions.has(name));
}

const ourExtensions: ReadonlySet<string> = new Set([
  'basicConstraints',
  'keyUsage',
  'extKeyUsage',
  'nameConstraints',
  'subjectAltName',
  'subjectKeyIdentifier',
  'authorityKeyIdentifier',
]);

interface ReadCertificate {
  readonly certificate: forge.pki.Certificate;
  /** DER values by name. */
  readonly extensions: ReadonlyMap<string, string>;
}

/** The same few certificates are asked about at every look; during a rotation there are four. */
const REMEMBERED = 8;
const remembered = new Map<Pem, ReadCertificate | undefined>();

/** A certificate as forge reads it. */
function read(pem: Pem): ReadCertificate | undefined {
  if (!remembered.has(pem)) {
    const [oldest] = remembered.keys();
    if (remembered.size >= REMEMBERED && oldest !== undefined) remembered.delete(oldest);
    remembered.set(pem, readAnew(pem));
  }
  return remembered.get(pem);
}

function readAnew(pem: Pem): ReadCertificate | undefined {
  try {
    const certificate = fromPem(pem);
    const extensions = new Map<string, string>();
    for (const { name, id, value } of certificate.extensions) extensions.set(name ?? id, value);
    return { certificate, extensions };
  } catch {
    return undefined;
  }
}

/**
 * By way of OpenSSL's DER: forge looks for the lines of a PEM text letter by letter, which took a twentieth of a start.
 *
 * @throws where it is none, or not in DER as it stands there: OpenSSL mends that without a word, and Go refuses it.
 */
function fromPem(pem: Pem): forge.pki.Certificate {
  const [block = ''] = splitCertificates(pem);
  const { raw } = new X509Certificate(block);
  if (!raw.equals(Buffer.from(block.replace(/-----[^-]+-----/g, ''), 'base64'))) throw new Error('it is not in DER');
  return pki.certificateFromAsn1(asn1.fromDer(raw.toString('latin1')));
}

async function issue(what: string, work: () => Promise<CertificatePair>): Promise<CertificatePair> {
  try {
    return await work();
  } catch (error) {
    throw new OperatorError('CERTIFICATE_ISSUE_FAILED', `cannot issue the ${what}: ${messageOf(error)}`, {
      cause: error,
    });
  }
}

function template(
  publicKey: forge.pki.rsa.PublicKey,
  subject: forge.pki.CertificateField[],
  now: Date,
  notAfter: Date,
): forge.pki.Certificate {
  const certificate = pki.createCertificate();
  certificate.publicKey = publicKey;
  certificate.serialNumber = serialNumber();
  certificate.validity = { notBefore: new Date(now.getTime() - BACKDATE_MS), notAfter };
  certificate.setSubject(subject);
  return certificate;
}

/** 127 random bits. The first byte is 0x40 to 0x7f: positive, as Go insists, and without a leading zero, as DER does. */
function serialNumber(): string {
  const bytes = randomBytes(16);
  bytes.writeUInt8(0x40 | (bytes.readUInt8(0) & 0x3f));
  return bytes.toString('hex');
}

function sign(certificate: forge.pki.Certificate, ownKey: forge.pki.rsa.PrivateKey, issuerKey: Pem): CertificatePair {
  // By OpenSSL: forge's own arithmetic would hold up the event loop, and every admission request, for a tenth of a second.
  const signer = {
    sign: () => {
      const bytes = asn1.toDer(certificate.tbsCertificate as forge.asn1.Asn1).getBytes();
      return signBytes('sha256', Buffer.from(bytes, 'latin1'), issuerKey).toString('latin1');
    },
  };
  // Without the second argument forge would say that it was signed with SHA-1.
  certificate.sign(signer as unknown as forge.pki.rsa.PrivateKey, md.sha256.create());
  return { certificate: toUnixPem(pki.certificateToPem(certificate)), privateKey: toPem(ownKey) };
}

const toPem = (key: forge.pki.rsa.PrivateKey): Pem => toUnixPem(pki.privateKeyToPem(key));

/** forge ends lines with CRLF; a Secret that people read with `kubectl` and `base64 -d` should not. */
const toUnixPem = (pem: string): Pem => pem.replaceAll('\r\n', '\n') as Pem;

const distinguishedName = (subject: Subject): forge.pki.CertificateField[] =>
  subject.map(({ type: shortName, value }) =>
    // UTF8String as RFC 5280 §4.1.2.4 wants; countryName is a PrintableString by definition, forge's default.
    shortName === 'C' ? { shortName, value } : { shortName, value, valueTagClass: asn1.Type.UTF8 as never },
  );

/** The authority's subject in the form that forge encodes again: it hands out UTF-8 as bytes but takes text. */
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

function alternativeNames({ dns, ip }: ServerNames): object[] {
  return [...dns.map((value) => ({ type: DNS_NAME, value })), ...ip.map((ip) => ({ type: IP_ADDRESS, ip }))];
}

/**
 * Permits the names served. A kind of name that is not permitted at all would be unconstrained, so the other kind is
 * excluded as a whole: every address by a zero mask, every DNS name by the empty one.
 */
function nameConstraints({ dns, ip }: ServerNames): forge.asn1.Asn1 {
  const permitted = [
    ...dns.map((name) => subtree(DNS_NAME, name)),
    ...ip.map((address) => subtree(IP_ADDRESS, exactly(bytesFromIP(address)))),
  ];
  const excluded =
    dns.length > 0 ? everyAddress.map((addresses) => subtree(IP_ADDRESS, addresses)) : [subtree(DNS_NAME, '')];
  const list = (tag: number, subtrees: forge.asn1.Asn1[]) =>
    asn1.create(asn1.Class.CONTEXT_SPECIFIC, tag as forge.asn1.Type, true, subtrees);
  return asn1.create(asn1.Class.UNIVERSAL, asn1.Type.SEQUENCE, true, [list(0, permitted), list(1, excluded)]);
}

const subtree = (tag: number, value: string): forge.asn1.Asn1 =>
  asn1.create(asn1.Class.UNIVERSAL, asn1.Type.SEQUENCE, true, [
    asn1.create(asn1.Class.CONTEXT_SPECIFIC, tag as forge.asn1.Type, false, value),
  ]);

/** In a constraint an address is followed by its mask. */
const exactly = (address: string): string => address + '\xff'.repeat(address.length);
const everyAddress = ['\0'.repeat(8), '\0'.repeat(32)]; // 0.0.0.0/0 and ::/0
