import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { CertificatePair } from '../../../src/certs/certificate-set.ts';
import type { Pem } from '../../../src/lib/pem.ts';
import { openssl, withFolder } from '../cluster/openssl.ts';

export interface Leaf {
  /** As in a subjectAltName: `DNS:localhost`, `IP:127.0.0.1`. */
  readonly name: string;
  /** As openssl takes a subject, by default `/CN=leaf`. */
  readonly subject?: string;
}

/** A certificate for servers and clients that openssl signs with a key that somebody has, whatever the CA may sign for. */
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
