import assert from 'node:assert/strict';
import { createPrivateKey } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import type { ServerNames } from '../../../src/certs/certificate-set.ts';
import { readCertificateFiles } from '../../../src/certs/files.ts';
import { OperatorError } from '../../../src/lib/errors.ts';
import {
  aCertificateSet,
  certificateOptions,
  ISSUED_AT,
  SERVER_NAME,
} from '../../support/builders/a-certificate-set.ts';
import { isCalled, isForNames } from '../../support/builders/a-damaged-set.ts';
import { aFolder } from '../../support/builders/a-folder.ts';
import { altered } from '../../support/builders/altered.ts';
import { opensslAuthority } from '../../support/cluster/openssl.ts';

const DAY_MS = 24 * 3_600_000;
const set = await aCertificateSet();
const other = await aCertificateSet({ nth: 2 });
const { names } = certificateOptions();

const good = { 'cert.pem': set.serving.certificate, 'key.pem': set.serving.privateKey, 'ca.pem': set.caBundle };
const { 'ca.pem': _ca, ...pinned } = good;

interface Brought {
  readonly files: Readonly<Record<string, string>>;
  readonly names?: ServerNames;
  readonly now?: Date;
}

async function bring(t: TestContext, { files, names: wanted = names, now = ISSUED_AT }: Brought) {
  const folder = await aFolder(t, files);
  return { folder, read: () => readCertificateFiles(folder, wanted, now) };
}

/** Asserts that reading the files rejects with an error that begins with the file and matches the text. */
async function assertRefused(t: TestContext, brought: Brought, file: string, text: RegExp): Promise<void> {
  const { folder, read } = await bring(t, brought);
  await assert.rejects(read, (error) => {
    assert.ok(error instanceof OperatorError);
    assert.equal(error.code, 'CERTIFICATE_FILES_INVALID');
    assert.ok(error.message.startsWith(`${join(folder, file)}: `), error.message);
    assert.match(error.message, text);
    assert.doesNotMatch(error.message, /PRIVATE KEY/);
    return true;
  });
}

describe('reading user-provided certificate files', () => {
  test('user-provided certificate files are read unchanged', async (t) => {
    const { read } = await bring(t, { files: good });
    assert.deepEqual(await read(), { serving: set.serving, caBundle: set.caBundle });
  });

  test('without ca.pem the CA bundle is the user-provided certificate itself', async (t) => {
    const { read } = await bring(t, { files: pinned });
    assert.deepEqual(await read(), { serving: set.serving, caBundle: set.serving.certificate });
  });

  test('an empty ca.pem is refused', async (t) => {
    await assertRefused(
      t,
      { files: { ...pinned, 'ca.pem': '' } },
      'ca.pem',
      /must have a valid CA that verifies the certificate in cert\.pem/,
    );
  });

  test('cert.pem can have intermediate certificates after the certificate', async (t) => {
    const intermediate = altered(set.ca, { signer: other.ca, change: isCalled('intermediate') });
    const leaf = altered(set.serving, { signer: intermediate });
    const chain = leaf.certificate + intermediate.certificate;
    const files = { ...good, 'cert.pem': chain, 'ca.pem': other.caBundle };
    const { read } = await bring(t, { files });
    assert.equal((await read()).serving.certificate, chain);
    await assertRefused(
      t,
      { files: { ...files, 'cert.pem': leaf.certificate } },
      'ca.pem',
      /must have a valid CA that verifies the certificate in cert\.pem/,
    );
  });

  test('ca.pem can have several CAs', async (t) => {
    const { read } = await bring(t, { files: { ...good, 'ca.pem': other.caBundle + set.caBundle } });
    assert.equal((await read()).caBundle, other.caBundle + set.caBundle);
  });

  test('certificate files can have an EC key', async (t) => {
    const ec = await opensslAuthority('ec');
    const files = { 'cert.pem': ec.certificate, 'key.pem': ec.privateKey };
    // The EC key is accepted: the error is only about the missing DNS name of the certificate.
    await assertRefused(t, { files, now: new Date() }, 'cert.pem', /not for the required names/);
  });

  test('a user-provided certificate that has only the first DNS name of the Service is accepted', async (t) => {
    const { certificate } = altered(set.serving, {
      signer: set.ca,
      change: isForNames([SERVER_NAME]),
    });
    const { read } = await bring(t, { files: { ...good, 'cert.pem': certificate } });
    assert.equal((await read()).serving.certificate, certificate);
  });

  test('a user-provided certificate without the IP address of the webhook URL is refused', async (t) => {
    const wanted = { dns: [], ip: ['127.0.0.1'] };
    const byAddress = await aCertificateSet({ options: { names: wanted } });
    const files = { 'cert.pem': byAddress.serving.certificate, 'key.pem': byAddress.serving.privateKey };
    const { read } = await bring(t, { files, names: wanted });
    assert.equal((await read()).serving.certificate, byAddress.serving.certificate);
    await assertRefused(
      t,
      { files: good, names: wanted },
      'cert.pem',
      /not for the required names: subjectAltName: invalid value "DNS:.*": must include 127\.0\.0\.1$/,
    );
  });
});

describe('errors about user-provided certificate files', () => {
  for (const file of ['cert.pem', 'key.pem'] as const) {
    test(`if the certificate file ${file} is missing, the error names it`, async (t) => {
      const { [file]: _missing, ...files } = good;
      await assertRefused(t, { files }, file, /file not found/);
    });

    test(`if the file ${file} contains no PEM block, the error names the file ${file}`, async (t) => {
      await assertRefused(t, { files: { ...good, [file]: 'junk' } }, file, /must have a .* in PEM format/);
    });

    test(`if the certificate file ${file} is empty, the error names it`, async (t) => {
      await assertRefused(t, { files: { ...good, [file]: '' } }, file, /must have a .* in PEM format/);
    });
  }

  test('if ca.pem exists and cannot be read, the error names it', async (t) => {
    const { folder, read } = await bring(t, { files: pinned });
    await mkdir(join(folder, 'ca.pem'));
    await assert.rejects(read, { code: 'CERTIFICATE_FILES_INVALID', message: /ca\.pem: EISDIR/ });
  });

  test('the error names key.pem if key.pem is encrypted with a passphrase', async (t) => {
    const encrypted = createPrivateKey(set.serving.privateKey).export({
      ...{ type: 'pkcs8', format: 'pem' },
      ...{ cipher: 'aes-256-cbc', passphrase: 'secret' },
    });
    await assertRefused(t, { files: { ...good, 'key.pem': String(encrypted) } }, 'key.pem', /without a passphrase/);
  });

  test('if key.pem belongs to another certificate, the error names it', async (t) => {
    const files = { ...good, 'key.pem': other.serving.privateKey };
    await assertRefused(t, { files }, 'key.pem', /must be the private key of the first certificate in cert\.pem/);
  });

  test('if cert.pem is for other names, the error has the required and the found names', async (t) => {
    const wanted = { dns: ['job-webhook.ops.svc', SERVER_NAME], ip: [] };
    const text = new RegExp(
      `subjectAltName: invalid value "DNS:${SERVER_NAME}.*": must include job-webhook\\.ops\\.svc$`,
    );
    await assertRefused(t, { files: good, names: wanted }, 'cert.pem', text);
  });

  test('if cert.pem has expired or is not valid yet, the error names it', async (t) => {
    const late = new Date(ISSUED_AT.getTime() + 90 * DAY_MS);
    await assertRefused(t, { files: good, now: late }, 'cert.pem', /no longer valid/);
    const early = new Date(ISSUED_AT.getTime() - DAY_MS);
    await assertRefused(t, { files: good, now: early }, 'cert.pem', /is not valid yet/);
  });

  test('if ca.pem does not verify the certificate, the error names ca.pem', async (t) => {
    await assertRefused(
      t,
      { files: { ...good, 'ca.pem': other.caBundle } },
      'ca.pem',
      /must have a valid CA that verifies the certificate in cert\.pem/,
    );
  });
});
