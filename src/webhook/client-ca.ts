import { parseCertificate } from '../certs/x509.ts';
import { countPemBlocks, type Pem, splitCertificates } from '../lib/pem.ts';
import { createRereading, readSmallFile } from '../lib/watched-file.ts';

/** Who may call: the authorities of client certificates, or what is wrong with the file that should hold them. */
export type ClientCaRead = { readonly bundle: Pem } | { readonly problem: string };

/** Many times the bundle of any cluster. */
const MOST_BYTES = 1024 * 1024;

export function readClientCaFile(file: string): ClientCaRead {
  const read = readSmallFile(file, MOST_BYTES);
  return 'problem' in read ? read : readBundle(read.content.toString());
}

/** All or nothing: a block that cannot be read may be the authority that everybody's certificates are of. */
function readBundle(text: string): ClientCaRead {
  const blocks = countPemBlocks(text);
  const certificates = splitCertificates(text);
  const authorities = certificates.filter((pem) => parseCertificate(pem)?.ca);
  if (blocks === 0) return { problem: 'found no certificate; allowed is the PEM of one authority or several' };
  if (authorities.length < blocks) {
    const others = blocks - authorities.length;
    return {
      problem: `found ${others} of ${blocks} blocks that are no certificate of an authority; allowed are those alone`,
    };
  }
  return { bundle: authorities.join('') as Pem };
}

/** Who may call, now. */
export interface ClientCa {
  /** `undefined` where anybody may. */
  readonly current: () => Pem | undefined;
  /** Reads the file again. What is wrong is told once; the last good bundle stays in force then. */
  readonly reload: () => 'unchanged' | ClientCaRead;
}

/** @param first what was read from the file at the start. */
export function createClientCa(file: string | undefined, first: Pem | undefined): ClientCa {
  let bundle = first;
  const readAgain = createRereading(file, readClientCaFile, { bundle: first });
  return {
    current: () => bundle,
    reload() {
      const read = readAgain();
      if (read !== 'unchanged' && 'bundle' in read) bundle = read.bundle;
      return read;
    },
  };
}
