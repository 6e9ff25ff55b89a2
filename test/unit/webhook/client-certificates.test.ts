import assert from 'node:assert/strict';
import { rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import type { Pem } from '../../../src/lib/pem.ts';
import { createWatchedFile } from '../../../src/lib/watched-file.ts';
import { readClientCaFile } from '../../../src/webhook/client-certificates.ts';
import { aCertificateSet } from '../../support/builders/a-certificate-set.ts';
import { aFolder } from '../../support/builders/a-folder.ts';

const [{ ca, serving }, { ca: other }] = [await aCertificateSet(), await aCertificateSet({ nth: 2 })];

describe('the file of --client-ca-file', () => {
  test('the file of --client-ca-file can have several CA certificates with text around them', async (t) => {
    const folder = await aFolder(t, {
      one: ca.certificate,
      two: `# ours\n${ca.certificate}# theirs\n${other.certificate}`,
    });
    const blocks = (read: object) => ('value' in read ? String(read.value).match(/-----BEGIN /g)?.length : read);
    assert.equal(blocks(readClientCaFile(join(folder, 'one'))), 1);
    assert.equal(blocks(readClientCaFile(join(folder, 'two'))), 2);
  });

  const rows: [what: string, text: string, problem: RegExp][] = [
    ['empty', '', /^no certificate: must be one or more CA certificates in PEM$/],
    ['cut off', ca.certificate.slice(0, 300), /^1 of 1 PEM blocks are not CA certificates/],
    ['a bundle with a certificate that is not a CA', `${ca.certificate}${serving.certificate}`, /^1 of 2 PEM blocks/],
    ['mixed with a private key', `${ca.certificate}${ca.privateKey}`, /^1 of 2 PEM blocks/],
    ['larger than 1 MiB', 'x'.repeat(1024 * 1024 + 1), /^1048577 bytes: must be at most 1048576 bytes$/],
  ];
  for (const [what, text, problem] of rows) {
    test(`a file of --client-ca-file that is ${what} is refused`, async (t) => {
      const read = readClientCaFile(join(await aFolder(t, { file: text }), 'file'));
      assert.match('problems' in read ? read.problems.join('\n') : '', problem);
    });
  }

  test('a missing file of --client-ca-file and a folder are refused', async (t) => {
    const folder = await aFolder(t);
    assert.match(JSON.stringify(readClientCaFile(join(folder, 'none'))), /ENOENT.*: must be a readable file/);
    assert.match(JSON.stringify(readClientCaFile(folder)), /must be a regular file/);
  });

  test('the last valid content of --client-ca-file stays in use while the file is invalid, and the problem is reported once', async (t) => {
    const folder = await aFolder(t, { file: ca.certificate });
    const file = join(folder, 'file');
    const first = readClientCaFile(file);
    assert.ok('value' in first);
    const callers = createWatchedFile(file, readClientCaFile, first.value);
    const change = async (text: string) => {
      await writeFile(`${file}.new`, text);
      await rename(`${file}.new`, file);
      return callers.reload();
    };
    assert.equal(callers.reload(), 'unchanged');
    assert.ok('problems' in ((await change('x')) as object));
    assert.equal(callers.reload(), 'unchanged');
    assert.equal(callers.current(), first.value);
    assert.ok('value' in ((await change(other.certificate)) as object));
    assert.notEqual(callers.current(), first.value);
  });

  test('without --client-ca-file there is no client CA, so that any client can call', () => {
    const callers = createWatchedFile<Pem | undefined>(undefined, readClientCaFile, undefined);
    assert.deepEqual([callers.reload(), callers.current()], ['unchanged', undefined]);
  });
});
