import { issueCertificateAuthority, issueServingCertificate } from '../../../src/certs/issue.ts';
import { type RawOptions, readConfig } from '../../../src/cli/config.ts';

/** Returns a serving certificate for the Service of the options, its key and its CA, under the keys that cert-manager uses. */
export async function certificateFiles(options: RawOptions) {
  const { certificates } = readConfig(options);
  const ca = await issueCertificateAuthority(certificates, new Date());
  const serving = await issueServingCertificate(certificates, ca, new Date());
  return { 'tls.crt': serving.certificate, 'tls.key': serving.privateKey, 'ca.crt': ca.certificate };
}
