import type { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { createSecureContext } from 'node:tls';
import { messageOf, OperatorError } from '../lib/errors.ts';
import { type Pem, splitCertificates } from '../lib/pem.ts';
import type { ServerNames, ServingCertificates } from './certificate-set.ts';
import { type Reason, reasons } from './reasons.ts';
import {
  askedName,
  isTrustedBy,
  parseCertificate,
  parsePrivateKey,
  SERVER_AUTH,
  servingProblem,
  validityProblem,
} from './x509.ts';

/** Longer than copying three small files takes: files that do not fit together may be in the middle of being replaced. */
const COPYING_MS = 200;

interface Problem {
  readonly file: string;
  readonly text: string;
  /** Whether the files may be in the middle of being replaced. */
  readonly mayPass?: boolean;
}

/**
 * Reads `cert.pem` (the certificate, then any intermediates), `key.pem` and, if it exists, `ca.pem`. Without `ca.pem` the
 * certificate itself is the CA bundle. Files that do not fit together are read once more, because they cannot be read
 * atomically.
 *
 * @throws OperatorError `CERTIFICATE_FILES_INVALID` that names the file and what is wrong with it.
 */
export async function readCertificateFiles(
  directory: string,
  names: ServerNames,
  now: Date,
): Promise<ServingCertificates> {
  const first = await readOnce(directory, names, now);
  if (!first.problem?.mayPass) return filesOrThrow(directory, first);
  await delay(COPYING_MS);
  return filesOrThrow(directory, await readOnce(directory, names, now));
}

interface Reading {
  readonly files: ServingCertificates;
  readonly problem: Problem | undefined;
}

function filesOrThrow(directory: string, { files, problem }: Reading): ServingCertificates {
  if (problem) throw invalid(join(directory, problem.file), problem.text);
  return files;
}

async function readOnce(directory: string, names: ServerNames, now: Date): Promise<Reading> {
  // One after the other, so that the same one of several problems is reported each time.
  const certificate = await readOrAbsent(directory, 'cert.pem');
  const privateKey = await readOrAbsent(directory, 'key.pem');
  // An empty file is one that is being written; only a missing file means that there is no CA bundle.
  const ca = await readOrAbsent(directory, 'ca.pem');
  if (certificate === undefined || privateKey === undefined) {
    const missing = Object.entries({ 'cert.pem': certificate, 'key.pem': privateKey }).flatMap(([file, pem]) =>
      pem === undefined ? [join(directory, file)] : [],
    );
    throw invalid(missing.join(', '), missing.length > 1 ? 'there are no such files' : 'there is no such file');
  }
  const files = { serving: { certificate, privateKey }, caBundle: ca ?? certificate };
  return { files, problem: problemOf(files, names, now) };
}

async function readOrAbsent(directory: string, file: string): Promise<Pem | undefined> {
  const path = join(directory, file);
  try {
    return (await readFile(path, 'utf8')) as Pem;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw invalid(path, messageOf(error), error);
  }
}

function problemOf({ serving, caBundle }: ServingCertificates, names: ServerNames, now: Date): Problem | undefined {
  const [certificate] = splitCertificates(serving.certificate).flatMap((pem) => parseCertificate(pem) ?? []);
  const key = parsePrivateKey(serving.privateKey);
  if (certificate === undefined) {
    return { file: 'cert.pem', text: 'holds no certificate in PEM form', mayPass: true };
  }
  if (key === undefined) {
    return { file: 'key.pem', text: 'holds no private key in PEM form without a passphrase', mayPass: true };
  }
  if (!certificate.checkPrivateKey(key)) return { file: 'key.pem', text: 'is not the key of cert.pem', mayPass: true };
  const unfit = servingProblem(certificate, names) ?? validityProblem(certificate, now);
  if (unfit) return { file: 'cert.pem', text: `${reasons[unfit]} (${found(unfit, certificate, names)})` };
  const unloadable = loadProblem(serving);
  if (unloadable) return { file: 'cert.pem', text: `cannot be loaded: ${unloadable}`, mayPass: true };
  const isVerified = isTrustedBy(serving.certificate, caBundle, now);
  return isVerified ? undefined : { file: 'ca.pem', text: 'does not verify cert.pem', mayPass: true };
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
    const usages = (certificate.keyUsage ?? []).map((oid) => usageNames[oid] ?? oid);
    return `wanted: serverAuth; found: ${usages.join(', ')}`;
  }
  const { dns, ip } = askedName(names);
  return `wanted: ${[...dns, ...ip]}; found: ${certificate.subjectAltName ?? 'no name'}`;
}

/** https://www.rfc-editor.org/rfc/rfc5280#section-4.2.1.12 */
const usageNames: Readonly<Record<string, string>> = {
  [SERVER_AUTH]: 'serverAuth',
  '1.3.6.1.5.5.7.3.2': 'clientAuth',
  '1.3.6.1.5.5.7.3.3': 'codeSigning',
  '1.3.6.1.5.5.7.3.4': 'emailProtection',
  '1.3.6.1.5.5.7.3.8': 'timeStamping',
  '1.3.6.1.5.5.7.3.9': 'OCSPSigning',
};

const invalid = (path: string, text: string, cause?: unknown): OperatorError =>
  new OperatorError('CERTIFICATE_FILES_INVALID', `${path}: ${text}`, { cause });
