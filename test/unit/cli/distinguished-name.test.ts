import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { readConfig } from '../../../src/cli/config.ts';
import { DISTINGUISHED_NAME_PATTERN, distinguishedName } from '../../../src/cli/distinguished-name.ts';
import { escapedValue } from '../../support/builders/distinguished-names.ts';

const isAllowedByChart = (text: string): boolean => new RegExp(DISTINGUISHED_NAME_PATTERN, 'u').test(text);

describe('distinguishedName', () => {
  const accepted: Readonly<Record<string, readonly (readonly [string, string])[]>> = {
    'CN=a': [['CN', 'a']],
    'CN=a,O=b,C=DE': [
      ['C', 'DE'],
      ['O', 'b'],
      ['CN', 'a'],
    ],
    'C=US, CN=a b': [
      ['CN', 'a b'],
      ['C', 'US'],
    ],
    'OU=a,OU=b': [
      ['OU', 'b'],
      ['OU', 'a'],
    ],
    'O=Example\\, Inc.': [['O', 'Example, Inc.']],
    'O=a\\\\,CN=b': [
      ['CN', 'b'],
      ['O', 'a\\'],
    ],
    'CN=\\ a\\ ': [['CN', ' a ']],
    'CN=\\#1': [['CN', '#1']],
    'CN=a=b#c': [['CN', 'a=b#c']],
    'CN=\\C3\\a9': [['CN', 'é']],
    'CN=\\+\\"\\;\\<\\>\\=': [['CN', '+";<>=']],
    'L=São Paulo,CN=東京 🙂': [
      ['CN', '東京 🙂'],
      ['L', 'São Paulo'],
    ],
    [`CN=${'🙂'.repeat(64)},ST=${'a'.repeat(128)}`]: [
      ['ST', 'a'.repeat(128)],
      ['CN', '🙂'.repeat(64)],
    ],
  };
  for (const [text, expected] of Object.entries(accepted)) {
    test(`distinguishedName parses ${text.slice(0, 30)} into attributes in the order of the certificate`, () => {
      assert.deepEqual(distinguishedName(text), { value: expected.map(([type, value]) => ({ type, value })) });
      assert.ok(isAllowedByChart(text));
    });
  }

  const unknown = (name: string): string =>
    `a list of the attributes CN, OU, O, L, ST, C, such as CN=a,O=b,C=US (RFC 4514), without "${name}"`;
  const value = (type: string, most: number): string =>
    `a distinguished name whose ${type} is 1 to ${most} printable characters, with a backslash before each of , + " \\ < > ; and before a space or # at an end`;
  const country = 'a distinguished name whose C is two capital letters (ISO 3166)';
  const refused: Readonly<Record<string, string>> = {
    Kubernetes: unknown('Kubernetes'),
    'DC=a': unknown('DC'),
    'cn=a': unknown('cn'),
    'CN =a': unknown('CN '),
    'CN=a,': unknown(''),
    ',CN=a': unknown(''),
    'CN=a,  O=b': unknown(' O'),
    'CN=Example, Inc.': unknown('Inc.'),
    'CN=': value('CN', 64),
    CN: value('CN', 64),
    'CN=a,O=': value('O', 64),
    'CN= a': value('CN', 64),
    'CN=a ': value('CN', 64),
    'CN=#04': value('CN', 64),
    'CN=a+O=b': value('CN', 64),
    'CN=a;O=b': value('CN', 64),
    'CN="a"': value('CN', 64),
    'CN=<a>': value('CN', 64),
    'CN=a\\': value('CN', 64),
    'CN=\\a': value('CN', 64),
    'CN=a\nb': value('CN', 64),
    'CN=\\0a': value('CN', 64),
    [`CN=${'a'.repeat(65)}`]: value('CN', 64),
    [`L=${'a'.repeat(129)}`]: value('L', 128),
    'C=us': country,
    'C=USA': country,
    'C=': country,
  };
  for (const [text, allowed] of Object.entries(refused)) {
    test(`distinguishedName refuses ${JSON.stringify(text.slice(0, 30))} and returns what is allowed`, () => {
      assert.deepEqual(distinguishedName(text), { allowed });
      assert.ok(!isAllowedByChart(text));
    });
  }

  test('distinguishedName refuses escaped bytes that are not UTF-8', () => {
    assert.deepEqual(distinguishedName('CN=\\ff'), { allowed: value('CN', 64) });
  });

  test('distinguishedName parses any printable value that is escaped', () => {
    const printable = fc
      .string({ unit: 'binary', minLength: 1, maxLength: 30 })
      .filter((text) => !/\p{Cc}/u.test(text));
    fc.assert(
      fc.property(printable, printable, (first, second) => {
        const text = `CN=${escapedValue(first)},O=${escapedValue(second)}`;
        const expected = [
          { type: 'O', value: second },
          { type: 'CN', value: first },
        ];
        assert.deepEqual(distinguishedName(text), { value: expected });
        assert.ok(isAllowedByChart(text));
      }),
    );
  });

  test('the error about a distinguished name has the flag, the variable and the given text', () => {
    assert.throws(() => readConfig({ 'ca-subject': 'CN=a,C=us' }), {
      code: 'CONFIG_INVALID',
      message: `  --ca-subject (TERRAFORM_DAEMON_CA_SUBJECT): invalid value "CN=a,C=us": must be ${country}`,
    });
  });
});
