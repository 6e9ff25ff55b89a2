import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Pem, splitCertificates } from '../encodings.ts';
import { messageOf, OperatorError } from '../errors.ts';
import type { ServerNames, ServingCertificates } from './certificate-set.ts';
import { reasons } from './reasons.ts';
import { isTrusted, parseCertificate, parsePrivateKey, servingProblem, validityProblem } from './x509.ts';

/**
 * Reads `cert.pem` (the certificate, then any intermediates), `key.pem` and, if there is one, `ca.pem`.
 * Without `ca.pem` the certificate itself is what the API server is told to trust.
 *
 * @throws OperatorError `CERTIFICATE_FILES_INVALID` that names the file and what is wrong with it.
 */
export async function readCertificateFiles(
  directory: string,
  names: ServerNames,
  now: Date,
): Promise<ServingCertificates> {
  const [certificate, privateKey, ca] = await Promise.all([
    read(directory, 'cert.pem'),
    read(directory, 'key.pem'),
    read(directory, 'ca.pem', { isOptional: true }),
  ]);
  const served = { serving: { certificate, privateKey }, caBundle: ca === '' ? certificate : ca };
  const problem = fileProblem(served, names, now);
  if (problem) throw invalid(join(directory, problem.file), problem.text);
  return served;
}

async function read(directory: string, file: string, { isOptional = false } = {}): Promise<Pem> {
  const path = join(directory, file);
  try {
    return (await readFile(path, 'utf8')) as Pem;
  } catch (error) {
    if (isOptional && (error as NodeJS.ErrnoException).code === 'ENOENT') return '' as Pem;
    throw invalid(path, messageOf(error), error);
  }
}

function fileProblem(
  { serving, caBundle }: ServingCertificates,
  names: ServerNames,
  now: Date,
): { readonly file: string; readonly text: string } | undefined {
  const [certificate, ...intermediates] = splitCertificates(serving.certificate).flatMap(
    (pem) => parseCertificate(pem) ?? [],
  );
  const key = parsePrivateKey(serving.privateKey);
  if (certificate === undefined) return { file: 'cert.pem', text: 'holds no certificate in PEM form' };
  if (key === undefined) return { file: 'key.pem', text: 'holds no private key in PEM form without a passphrase' };
  if (!certificate.checkPrivateKey(key)) return { file: 'key.pem', text: 'is not the key of cert.pem' };
  const [wanted] = [...names.dns, ...names.ip];
  // The API server asks for one name only; others are the owner's business.
  const unfit =
    servingProblem(certificate, { dns: names.dns.slice(0, 1), ip: names.ip.slice(0, 1) }) ??
    validityProblem(certificate, now);
  if (unfit) {
    return {
      file: 'cert.pem',
      text: `${reasons[unfit]} (wanted: ${wanted}; found: ${certificate.subjectAltName ?? 'no name'})`,
    };
  }
  const isVerified = isTrusted(certificate, splitCertificates(caBundle), now, intermediates);
  return isVerified ? undefined : { file: 'ca.pem', text: 'does not verify cert.pem' };
}

const invalid = (path: string, text: string, cause?: unknown): OperatorError =>
  new OperatorError('CERTIFICATE_FILES_INVALID', `${path}: ${text}`, { cause });
