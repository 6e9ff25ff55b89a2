import { parseCertificate } from '../certs/x509.ts';
import { countPemBlocks, type Pem, splitCertificates } from '../lib/pem.ts';
import { type FileContent, readSmallFile } from '../lib/watched-file.ts';

/** Many times the bundle of any cluster. */
const MOST_BYTES = 1024 * 1024;

/** Reads the CA certificates that client certificates must be issued by. */
export function readClientCaFile(file: string): FileContent<Pem> {
  const read = readSmallFile(file, MOST_BYTES);
  return 'problem' in read ? { problems: [read.problem] } : readBundle(read.content.toString());
}

/** All or nothing: a block that cannot be read may be the authority that everybody's certificates are of. */
function readBundle(text: string): FileContent<Pem> {
  const blocks = countPemBlocks(text);
  const certificates = splitCertificates(text);
  const authorities = certificates.filter((pem) => parseCertificate(pem)?.ca);
  if (blocks === 0) return { problems: ['found no certificate; allowed is the PEM of one authority or several'] };
  if (authorities.length === blocks) return { value: authorities.join('') as Pem };
  const found = `${blocks - authorities.length} of ${blocks} blocks that are no certificate of an authority`;
  return { problems: [`found ${found}; allowed are those alone`] };
}
