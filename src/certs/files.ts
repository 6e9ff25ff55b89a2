import type { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { createSecureContext } from 'node:tls';
import { messageOf, OperatorError } from '../lib/errors.ts';
import { type Pem, splitCertificates } from '../lib/pem.ts';
import type { ServerNames, ServingCertificates } from './certificate-set.ts';
import { nameOfOid } from './forge.ts';
import { type Reason, reasons } from './reason-texts.ts';
import { askedName, isTrustedBy, parseCertificate, parsePrivateKey, servingProblem, validityProblem } from './x509.ts';

/** Longer than copying three small files takes: files that do not fit together may be in the middle of being replaced. */
const COPYING_MS = 200;

/**
 * Reads `cert.pem` (the certificate, then any intermediates), `key.pem` and, if it exists, `ca.pem`. Without `ca.pem` the
 * certificate itself is the CA bundle. Files with a problem are read once more, because they cannot be read atomically.
 *
 * @throws OperatorError `CERTIFICATE_FILES_INVALID` that names the file and what is wrong with it.
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
  // An empty file is one that is being written; only a missing file means that there is no CA bundle.
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

/** What TLS refuses about the whole text, all of which is presented: a block that is cut off, a key that is too small. */
function loadProblem({ certificate, privateKey }: ServingCertificates['serving']): string | undefined {
  try {
    createSecureContext({ cert: certificate, key: privateKey });
    return undefined;
  } catch (error) {
    return messageOf(error);
  }
}

/** What the certificate has, and what it must have. */
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
