import assert from 'node:assert/strict';
import { test } from 'node:test';
import { describeValue, oneLine, printable, truncate, truncateFields } from '../../../src/lib/text.ts';

test('printable() replaces control characters and invisible characters by JSON escapes, and keeps line feeds', () => {
  assert.equal(printable('a\nb\u0000\u001b[2J\u009b\r'), 'a\nb\\u0000\\u001b[2J\\u009b\\u000d');
  const hidden = '\u200b\u202e\u2028\ud800 \u{e0001}';
  assert.equal(printable(hidden), '\\u200b\\u202e\\u2028\\ud800 \\udb40\\udc01');
  assert.equal(printable('grüß 你 🎉'), 'grüß 你 🎉');
});

test('printable() does not change the value of a JSON text', () => {
  const value = { 'a\u007f': ['\u200b\u{e0001}', '\n\u2028'] };
  assert.deepEqual(JSON.parse(printable(JSON.stringify(value))), value);
});

test('oneLine replaces line breaks by single spaces and trims the text', () => {
  assert.equal(oneLine(' a\r\n\tb\u0007 '), 'a b\\u0007');
});

test('a value in an error message is short and on one line', () => {
  const cases: readonly (readonly [unknown, string])[] = [
    [undefined, 'nothing'],
    [null, 'null'],
    [7, '7'],
    ['a\nb', '"a\\nb"'],
    ['x'.repeat(100), `"${'x'.repeat(80)}"`],
    [[], 'an empty list'],
    [[1], 'a list'],
    [{}, 'an empty object'],
    [{ toString: 'hostile' }, 'an object'],
  ];
  for (const [value, expected] of cases) assert.equal(describeValue(value), expected);
});

test('the texts in the fields of a log line are truncated to 256 characters', () => {
  const fields = { name: 'x'.repeat(300), count: 7, from: { a: 1 } };
  assert.deepEqual(truncateFields(fields), { ...fields, name: 'x'.repeat(256) });
  assert.equal(truncate('abc', 2), 'ab');
});
