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
  // An empty ca.pem is an error, because another process may still be writing it; only a missing one is optional.
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
    throw invalid(path, isAbsent ? 'there is no such file' : messageOf(error), error);
  }
}

type Problem = readonly [file: string, text: string];

function problemOf({ serving, caBundle }: ServingCertificates, names: ServerNames, now: Date): Problem | undefined {
  const [certificate] = splitCertificates(serving.certificate).flatMap((pem) => parseCertificate(pem) ?? []);
  const key = parsePrivateKey(serving.privateKey);
  if (certificate === undefined) return ['cert.pem', 'holds no certificate in PEM form'];
  if (key === undefined) return ['key.pem', 'holds no private key in PEM form without a passphrase'];
  if (!certificate.checkPrivateKey(key)) return ['key.pem', 'is not the key of cert.pem'];
  const unfit = servingProblem(certificate, names) ?? validityProblem(certificate, now);
  if (unfit) return ['cert.pem', `${reasons[unfit]} (${found(unfit, certificate, names)})`];
  const unloadable = loadProblem(serving);
  if (unloadable) return ['cert.pem', `cannot be loaded: ${unloadable}`];
  const isVerified = isTrustedBy(serving.certificate, caBundle, now);
  return isVerified ? undefined : ['ca.pem', 'does not verify cert.pem'];
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

/** Returns the value in the certificate that is invalid and, for usage and names, the value that is required. */
function found(unfit: Reason, certificate: X509Certificate, names: ServerNames): string {
  if (unfit === 'expired') return `notAfter: ${certificate.validToDate.toISOString()}`;
  if (unfit === 'not-yet-valid') return `notBefore: ${certificate.validFromDate.toISOString()}`;
  if (unfit === 'wrong-usage') {
    return `wanted: serverAuth; found: ${(certificate.keyUsage ?? []).map(nameOfOid).join(', ')}`;
  }
  const { dns, ip } = askedName(names);
  return `wanted: ${[...dns, ...ip]}; found: ${certificate.subjectAltName ?? 'no name'}`;
}

const invalid = (path: string, text: string, cause?: unknown): OperatorError =>
  new OperatorError('CERTIFICATE_FILES_INVALID', `${path}: ${text}`, { cause });
