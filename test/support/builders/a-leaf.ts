import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { CertificatePair } from '../../../src/certs/certificate-set.ts';
import type { Pem } from '../../../src/lib/pem.ts';
import { openssl, withFolder } from '../cluster/openssl.ts';

export interface Leaf {
  /** The subjectAltName in the form of openssl: `DNS:localhost`, `IP:127.0.0.1`. */
  readonly name: string;
  /** The subject in the form of openssl. Default: `/CN=leaf`. */
  readonly subject?: string;
}

/**
 * Signs a server and client certificate with openssl and the key of the CA, even for names that the CA does not permit.
 */
export function aLeaf(ca: CertificatePair, { name, subject = '/CN=leaf' }: Leaf): Promise<CertificatePair> {
  return withFolder(async (folder) => {
    const file = (file: string) => join(folder, file);
    await writeFile(file('ca.pem'), ca.certificate);
    await writeFile(file('ca.key'), ca.privateKey, { mode: 0o600 });
    await writeFile(
      file('extensions'),
      [
        `subjectAltName=${name}`,
        'basicConstraints=critical,CA:FALSE',
        'keyUsage=critical,digitalSignature,keyEncipherment',
        'extendedKeyUsage=serverAuth,clientAuth',
        'subjectKeyIdentifier=hash',
        'authorityKeyIdentifier=keyid',
      ].join('\n'),
    );
    await run(
      ['req', '-new', '-newkey', 'rsa:2048', '-nodes', '-subj', subject],
      ['-keyout', file('leaf.key'), '-out', file('leaf.csr')],
    );
    await run(
      ['x509', '-req', '-in', file('leaf.csr'), '-CA', file('ca.pem'), '-CAkey', file('ca.key'), '-CAcreateserial'],
      ['-days', '1', '-sha256', '-extfile', file('extensions'), '-out', file('leaf.pem')],
    );
    return {
      certificate: (await readFile(file('leaf.pem'), 'utf8')) as Pem,
      privateKey: (await readFile(file('leaf.key'), 'utf8')) as Pem,
    };
  });
}

async function run(...args: readonly (readonly string[])[]): Promise<void> {
  const { isOk, output } = await openssl(args.flat());
  if (!isOk) throw new Error(output);
}
