import assert from 'node:assert/strict';
import { test } from 'node:test';
import { logRefused } from '../../../src/webhook/refusals.ts';

test('refused connections are a line a minute for each reason, with how many there were', (t) => {
  let nowMs = 1_000;
  t.mock.method(performance, 'now', () => nowMs);
  const lines: object[] = [];
  const refused = logRefused({ warn: (_message, fields = {}) => void lines.push(fields) });
  for (let count = 0; count < 100; count += 1) refused('client-refused', 'no certificate');
  refused('too-many-connections', 'x'.repeat(10_000));
  nowMs += 60_000;
  refused('client-refused', 'another');
  refused('client-refused', 'another');
  assert.deepEqual(lines, [
    { reason: 'client-refused', count: 1, error: 'no certificate' },
    { reason: 'too-many-connections', count: 1, error: 'x'.repeat(256) },
    { reason: 'client-refused', count: 100, error: 'another' },
  ]);
});
