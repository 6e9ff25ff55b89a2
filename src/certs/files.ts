import type { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { createSecureContext } from 'node:tls';
import { messageOf, OperatorError } from '../lib/errors.ts';
import { type Pem, splitCertificates } from '../lib/pem.ts';
import { nameOfOid } from './certificate-encoding.ts';
import type { ServerNames, ServingCertificates } from './certificate-set.ts';
import { type Reason, reasons } from './reason-texts.ts';
import { askedName, isTrustedBy, parseCertificate, parsePrivateKey, servingProblem, validityProblem } from './x509.ts';

/** Delay before invalid files are read again: another process may be replacing the three files. */
const COPYING_MS = 200;

/**
 * Reads `cert.pem` (the certificate, then any intermediates), `key.pem` and, if it exists, `ca.pem`. Without `ca.pem`,
 * `cert.pem` is the CA bundle. If there is a problem, all files are read once more after 200 ms.
 *
 * @throws OperatorError `CERTIFICATE_FILES_INVALID` with the path of the file and its problem.
 */
export async function readCertificateFiles(
  directory: string,
  names: ServerNames,
  now: Date,
): Promise<ServingCertificates> {
  try {
    return await readOnce(directory, names, now);
  } catch {
    await delay(COPYING_MS);
    return readOnce(directory, names, now);
  }
}

async function readOnce(directory: string, names: ServerNames, now: Date): Promise<ServingCertificates> {
  const certificate = await readPem(join(directory, 'cert.pem'));
  const privateKey = await readPem(join(directory, 'key.pem'));
  // A missing ca.pem is allowed. An empty ca.pem is an error, because another process may still be writing the file.
  const caBundle = await readPem(join(directory, 'ca.pem'), certificate);
  const files = { serving: { certificate, privateKey }, caBundle };
  const problem = problemOf(files, names, now);
  if (problem === undefined) return files;
  const [file, text] = problem;
  throw invalid(join(directory, file), text);
}

async function readPem(path: string, fallback?: Pem): Promise<Pem> {
  try {
    return (await readFile(path, 'utf8')) as Pem;
  } catch (error) {
    const isAbsent = (error as NodeJS.ErrnoException).code === 'ENOENT';
    if (isAbsent && fallback !== undefined) return fallback;
    throw invalid(path, isAbsent ? 'file not found' : messageOf(error), error);
  }
}

type Problem = readonly [file: string, text: string];

function problemOf({ serving, caBundle }: ServingCertificates, names: ServerNames, now: Date): Problem | undefined {
  const [certificate] = splitCertificates(serving.certificate).flatMap((pem) => parseCertificate(pem) ?? []);
  const key = parsePrivateKey(serving.privateKey);
  if (certificate === undefined) return ['cert.pem', 'must have a certificate in PEM format'];
  if (key === undefined) return ['key.pem', 'must have a private key in PEM format without a passphrase'];
  if (!certificate.checkPrivateKey(key))
    return ['key.pem', 'must be the private key of the first certificate in cert.pem'];
  const unfit = servingProblem(certificate, names) ?? validityProblem(certificate, now);
  if (unfit) return ['cert.pem', `${reasons[unfit]}: ${invalidField(unfit, certificate, names)}`];
  const unloadable = loadProblem(serving);
  if (unloadable) return ['cert.pem', `the certificate and key cannot be loaded: ${unloadable}`];
  const isVerified = isTrustedBy(serving.certificate, caBundle, now);
  return isVerified ? undefined : ['ca.pem', 'must have a valid CA that verifies the certificate in cert.pem'];
}

/** Returns why OpenSSL refuses to load the pair, for example a truncated PEM block or a key that is too small. */
function loadProblem({ certificate, privateKey }: ServingCertificates['serving']): string | undefined {
  try {
    createSecureContext({ cert: certificate, key: privateKey });
    return undefined;
  } catch (error) {
    return messageOf(error);
  }
}

/** Returns the invalid field of the certificate with its value and the allowed values. */
function invalidField(unfit: Reason, certificate: X509Certificate, names: ServerNames): string {
  const { validFromDate, validToDate, keyUsage = [], subjectAltName } = certificate;
  if (unfit === 'expired') return `notAfter: invalid value ${validToDate.toISOString()}: must be in the future`;
  if (unfit === 'not-yet-valid') return `notBefore: invalid value ${validFromDate.toISOString()}: must be in the past`;
  if (unfit === 'wrong-usage') {
    return `extKeyUsage: invalid value "${keyUsage.map(nameOfOid).join(', ')}": must include serverAuth`;
  }
  const { dns, ip } = askedName(names);
  const value = subjectAltName === undefined ? 'required' : `invalid value "${subjectAltName}"`;
  return `subjectAltName: ${value}: must include ${[...dns, ...ip].join()}`;
}

const invalid = (path: string, text: string, cause?: unknown): OperatorError =>
  new OperatorError('CERTIFICATE_FILES_INVALID', `${path}: ${text}`, { cause });
