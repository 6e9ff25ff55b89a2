import assert from 'node:assert/strict';
import { copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe as suite, type TestContext, test } from 'node:test';
import { createCertificateLogic } from '../../src/certs/certificate-logic.ts';
import type { CertificateSet } from '../../src/certs/certificate-set.ts';
import { readCertificateFiles } from '../../src/certs/files.ts';
import { readiness } from '../../src/operator/health.ts';
import { certificateOptions, SERVER_NAME } from '../support/builders/a-certificate-set.ts';
import { endsAt, hasExtension } from '../support/builders/a-damaged-set.ts';
import { aFolder } from '../support/builders/a-folder.ts';
import { altered } from '../support/builders/altered.ts';
import { someCertificates } from '../support/cluster/endpoint.ts';
import { openssl } from '../support/cluster/openssl.ts';

const { names } = certificateOptions();
const now = new Date();
const set = await someCertificates();
const other = await someCertificates(2);

const filesOf = ({ serving, caBundle }: Pick<CertificateSet, 'serving' | 'caBundle'>) => ({
  'cert.pem': serving.certificate,
  'key.pem': serving.privateKey,
  'ca.pem': caBundle,
});

const bring = async (t: TestContext, files: Readonly<Record<string, string>>) =>
  readCertificateFiles(await aFolder(t, files), names, now);

suite('a certificate that openssl has issued', () => {
  async function selfSigned(t: TestContext, extensions: readonly string[] = []) {
    const folder = await aFolder(t);
    const { isOk, output } = await openssl([
      ...['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '30', '-subj', '/CN=webhook'],
      ...['-addext', `subjectAltName=DNS:${SERVER_NAME}`, ...extensions.flatMap((one) => ['-addext', one])],
      ...['-keyout', join(folder, 'key.pem'), '-out', join(folder, 'cert.pem')],
    ]);
    assert.ok(isOk, output);
    return folder;
  }

  test('a self-signed openssl certificate is accepted as its own CA and presented, and the daemon is ready', async (t) => {
    const later = new Date(Date.now() + 60_000); // openssl sets notBefore to the current second
    const { serving, caBundle } = await readCertificateFiles(await selfSigned(t), names, later);
    assert.equal(caBundle, serving.certificate);
    const situation = { presented: set.serving.certificate, liveBundle: caBundle, now: later };
    const { decidePresentation } = createCertificateLogic(certificateOptions());
    assert.equal(decidePresentation({ serving, waiting: undefined }, situation), 'present');
    const status = { phase: 'running', presented: serving.certificate, liveBundle: caBundle } as const;
    assert.deepEqual(
      readiness(status, names, later).filter(({ problem }) => problem !== undefined),
      [],
    );
  });

  test('a user-provided certificate for client authentication only is refused', async (t) => {
    const folder = await selfSigned(t, ['extendedKeyUsage=clientAuth,1.2.3.4']);
    await assert.rejects(readCertificateFiles(folder, names, now), {
      code: 'CERTIFICATE_FILES_INVALID',
      message: /cert\.pem: .*: extKeyUsage: invalid value "clientAuth, 1\.2\.3\.4": must include serverAuth$/,
    });
  });
});

suite('the errors about certificate files', () => {
  const leaf = (change: Parameters<typeof altered>[1]['change']) =>
    altered(set.serving, { signer: set.ca, ...(change ? { change } : {}) });
  const rows: [name: string, certificate: () => string, text: RegExp][] = [
    [
      'the time at which it expired',
      () => leaf(endsAt(new Date('2026-01-02T03:04:05Z'))).certificate,
      /^the certificate is no longer valid: notAfter: invalid value 2026-01-02T03:04:05\.000Z: must be in the future$/,
    ],
    [
      'the required and the found names',
      () => leaf(hasExtension('subjectAltName', { altNames: [{ type: 2, value: 'other.example' }] })).certificate,
      new RegExp(
        `: subjectAltName: invalid value "DNS:other\\.example": must include ${SERVER_NAME.replaceAll('.', '\\.')}$`,
      ),
    ],
    [
      'the message of OpenSSL about a second PEM block that is cut off',
      () => set.serving.certificate + set.ca.certificate.slice(0, 200),
      /^the certificate and key cannot be loaded: \S/,
    ],
    [
      'the message of OpenSSL about a second PEM block that is not a certificate',
      () => `${set.serving.certificate}-----BEGIN CERTIFICATE-----\nanVuaw==\n-----END CERTIFICATE-----\n`,
      /^the certificate and key cannot be loaded: \S/,
    ],
  ];
  for (const [name, certificate, text] of rows) {
    test(`the error about a user-provided certificate has ${name}`, async (t) => {
      const files = { ...filesOf(set), 'cert.pem': certificate() };
      await assert.rejects(bring(t, files), ({ code, message }: NodeJS.ErrnoException) => {
        assert.equal(code, 'CERTIFICATE_FILES_INVALID');
        assert.match(message.split('cert.pem: ')[1] ?? message, text);
        return true;
      });
    });
  }
});

suite('certificate files during a change', () => {
  test('if key.pem does not match cert.pem, the certificate files are read a second time', async (t) => {
    const source = await aFolder(t, filesOf(other));
    const directory = await aFolder(t, { ...filesOf(set), 'key.pem': other.serving.privateKey });
    const read = readCertificateFiles(directory, names, now);
    for (const file of ['cert.pem', 'ca.pem']) await copyFile(join(source, file), join(directory, file));
    assert.deepEqual(await read, { serving: other.serving, caBundle: other.caBundle });
  });

  test('if key.pem still does not match cert.pem after the second read, the certificate files are refused', async (t) => {
    const files = { ...filesOf(set), 'key.pem': other.serving.privateKey };
    await assert.rejects(bring(t, files), {
      code: 'CERTIFICATE_FILES_INVALID',
      message: /must be the private key of the first certificate in cert\.pem/,
    });
  });
});
