import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { fromBase64, joinCertificates, splitCertificates, toBase64 } from '../../../src/lib/pem.ts';

const block = (text: string): string =>
  `-----BEGIN CERTIFICATE-----\n${Buffer.from(text).toString('base64')}\n-----END CERTIFICATE-----\n`;
const key = '-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n';

describe('base64', () => {
  test('toBase64 encodes UTF-8 as Kubernetes does', () => {
    assert.equal(toBase64('grüß dich'), 'Z3LDvMOfIGRpY2g=');
    assert.equal(fromBase64('Z3LDvMOfIGRpY2g='), 'grüß dich');
  });

  test('fromBase64 reverses toBase64 for any text', () => {
    fc.assert(fc.property(fc.string({ unit: 'grapheme' }), (text) => fromBase64(toBase64(text)) === text));
  });
});

describe('splitting certificates', () => {
  test('splitCertificates returns each certificate in order', () => {
    assert.deepEqual(splitCertificates(block('a') + block('b')), [block('a'), block('b')]);
  });

  test('splitCertificates ignores keys and the text around certificates', () => {
    const text = `Subject: CN=a\n${block('a')}\n# a key\n${key}${block('b').trimEnd()}`;
    assert.deepEqual(splitCertificates(text), [block('a'), block('b')]);
  });

  test('splitCertificates ignores a block without its END line', () => {
    const cut = block('a').replace('-----END CERTIFICATE-----\n', '');
    assert.deepEqual(splitCertificates(cut), []);
    assert.deepEqual(splitCertificates(cut + block('b')), [block('b')]);
  });

  test('splitCertificates returns an empty list for a text without certificates', () => {
    for (const text of ['', 'junk', key, '-----BEGIN CERTIFICATE----------END CERTIFICATE-----']) {
      assert.deepEqual(splitCertificates(text), []);
    }
  });
});

describe('joining certificates', () => {
  test('joinCertificates keeps the order and removes repeats', () => {
    const joined = joinCertificates([block('b') + block('a'), '', block('a'), `${block('c')}junk`, block('b')]);
    assert.equal(joined, block('b') + block('a') + block('c'));
  });

  test('splitCertificates reverses joinCertificates for any certificates', () => {
    const blocks = fc.uniqueArray(fc.string({ minLength: 1 })).map((texts) => texts.map(block));
    fc.assert(fc.property(blocks, (texts) => assert.deepEqual(splitCertificates(joinCertificates(texts)), texts)));
  });

  test('joinCertificates returns an empty text for an empty list', () => {
    assert.equal(joinCertificates([]), '');
  });
});
