import { writeFile } from 'node:fs/promises';
import { run } from '../image/buildah.ts';
import { NODE_IP, NODE_NAME, type NodeLayout } from './layout.ts';

/** Creates a CA, the serving certificate of the kubelet and the client certificate of the API server. */
export async function writeKubeletCertificates({ folder }: NodeLayout): Promise<void> {
  const openssl = (...args: string[]) => run('openssl', args, { cwd: folder });
  const key = ['-newkey', 'rsa:2048', '-nodes', '-days', '2'];
  await openssl(
    'req',
    '-x509',
    ...key,
    '-subj',
    '/CN=kubelet-ca',
    '-keyout',
    'kubelet-ca.key',
    '-out',
    'kubelet-ca.crt',
  );
  for (const [name, subject, extensions] of [
    [
      'kubelet',
      `/O=system:nodes/CN=system:node:${NODE_NAME}`,
      `subjectAltName=IP:${NODE_IP},DNS:${NODE_NAME}\nextendedKeyUsage=serverAuth`,
    ],
    ['kubelet-client', '/O=system:masters/CN=kube-apiserver', 'extendedKeyUsage=clientAuth'],
  ] as const) {
    await writeFile(`${folder}/${name}.ext`, extensions);
    await openssl('req', ...key, '-subj', subject, '-keyout', `${name}.key`, '-out', `${name}.csr`);
    const signed = ['-CA', 'kubelet-ca.crt', '-CAkey', 'kubelet-ca.key', '-days', '2', '-extfile', `${name}.ext`];
    await openssl('x509', '-req', '-in', `${name}.csr`, ...signed, '-out', `${name}.crt`);
  }
}
