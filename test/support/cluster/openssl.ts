import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import type { CertificatePair } from '../../../src/certs/certificate-set.ts';
import type { Pem } from '../../../src/lib/pem.ts';

/** Runs openssl, which shares no code with the daemon. Returns stdout, stderr and the exit code. */
export async function openssl(
  args: readonly string[],
  input = '',
): Promise<{ readonly isOk: boolean; readonly output: string }> {
  const child = spawn('openssl', args, { stdio: 'pipe' });
  // openssl can exit before it reads all input; the exit code shows the result.
  child.stdin.on('error', () => {}).end(input);
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]);
  return { isOk: child.exitCode === 0, output: stdout + stderr };
}

export interface Verification {
  readonly ca: string;
  readonly at: Date;
  /** The host name to verify, as each TLS client does. */
  readonly hostname?: string;
  /** The IP address to verify instead. */
  readonly ip?: string;
}

/** Returns `OK`, or the error with which openssl rejects the certificate. */
export function opensslVerify(certificate: string, { ca, at, hostname, ip }: Verification): Promise<string> {
  return withFolder(async (folder) => {
    const [caFile, certificateFile] = [join(folder, 'ca.pem'), join(folder, 'cert.pem')];
    await Promise.all([writeFile(caFile, ca), writeFile(certificateFile, certificate)]);
    const { isOk, output } = await openssl([
      ...['verify', '-x509_strict', '-purpose', 'sslserver', '-no-CApath', '-CAfile', caFile],
      ...['-attime', String(Math.floor(at.getTime() / 1000))],
      ...(hostname === undefined ? [] : ['-verify_hostname', hostname]),
      ...(ip === undefined ? [] : ['-verify_ip', ip]),
      certificateFile,
    ]);
    return isOk ? 'OK' : output;
  });
}

/** Returns the text of each extension by its name. The text of a critical extension begins with a line `critical`. */
export async function extensionsOf(certificate: string): Promise<Readonly<Record<string, string>>> {
  const { output } = await openssl(['x509', '-noout', '-text', '-certopt', 'no_sigdump,no_pubkey'], certificate);
  const [, body = ''] = output.split('X509v3 extensions:\n');
  const entries = body.split(/^ {12}X509v3 (?=\S)/m).slice(1);
  return Object.fromEntries(
    entries.map((entry) => {
      const [head = '', ...lines] = entry.split('\n');
      const [, name = head, critical = ''] = head.match(/^(.*?): ?(critical)?$/) ?? [];
      return [name, [critical, ...lines.map((line) => line.trim())].filter((line) => line !== '').join('\n')];
    }),
  );
}

/** Creates a self-signed certificate authority with an EC or RSA-PSS key, valid from now. */
export function opensslAuthority(newKey: 'ec' | 'rsa-pss'): Promise<CertificatePair> {
  const keyOption = { ec: 'ec_paramgen_curve:P-256', 'rsa-pss': 'rsa_keygen_bits:2048' }[newKey];
  return withFolder(async (folder) => {
    const [keyFile, certificateFile] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
    const { isOk, output } = await openssl([
      ...['req', '-x509', '-newkey', newKey, '-pkeyopt', keyOption, '-nodes', '-days', '3650', '-subj', '/CN=other'],
      ...['-addext', 'keyUsage=critical,keyCertSign', '-keyout', keyFile, '-out', certificateFile],
    ]);
    if (!isOk) throw new Error(output);
    return {
      certificate: (await readFile(certificateFile, 'utf8')) as Pem,
      privateKey: (await readFile(keyFile, 'utf8')) as Pem,
    };
  });
}

export async function withFolder<T>(use: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'openssl-'));
  try {
    return await use(folder);
  } finally {
    await rm(folder, { recursive: true });
  }
}
