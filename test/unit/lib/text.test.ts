import assert from 'node:assert/strict';
import { test } from 'node:test';
import { printable } from '../../../src/lib/text.ts';

test('what is printed steers no terminal, and keeps its lines', () => {
  assert.equal(printable('a\nb\u0000\u001b[2J\u009b\r'), 'a\nb\\u0000\\u001b[2J\\u009b\\u000d');
});
