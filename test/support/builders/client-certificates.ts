import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** A client certificate, as files and as PEM. */
export interface ClientCertificate {
  readonly certFile: string;
  readonly keyFile: string;
  readonly cert: string;
  readonly key: string;
}

/** A certificate authority for client certificates, created with openssl in a folder of the test. */
export interface ClientAuthority {
  readonly caFile: string;
  readonly ca: string;
  issue(commonName: string, extension?: string): Promise<ClientCertificate>;
}

const KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];

/**
 * Creates a certificate authority for client certificates.
 *
 * @param name prefix of the files, different for each authority in one folder.
 */
export async function clientAuthority(folder: string, name = 'clients'): Promise<ClientAuthority> {
  const [caFile, caKey] = [join(folder, `${name}.pem`), join(folder, `${name}-key.pem`)];
  const subject = `/CN=${name}`;
  await run('openssl', ['req', '-x509', ...KEY, '-days', '2', '-subj', subject, '-keyout', caKey, '-out', caFile]);
  let count = 0;
  return {
    caFile,
    ca: await readFile(caFile, 'utf8'),
    async issue(commonName, extension = 'extendedKeyUsage=clientAuth') {
      const base = join(folder, `${name}-${count++}`);
      const [certFile, keyFile, request, extensions] = [`${base}.pem`, `${base}-key.pem`, `${base}.csr`, `${base}.ext`];
      await writeFile(extensions, extension);
      await run('openssl', ['req', '-new', ...KEY, '-subj', `/CN=${commonName}`, '-keyout', keyFile, '-out', request]);
      const signed = ['-CA', caFile, '-CAkey', caKey, '-CAcreateserial', '-days', '2', '-extfile', extensions];
      await run('openssl', ['x509', '-req', '-in', request, ...signed, '-out', certFile]);
      return { certFile, keyFile, cert: await readFile(certFile, 'utf8'), key: await readFile(keyFile, 'utf8') };
    },
  };
}
