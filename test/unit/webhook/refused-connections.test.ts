import assert from 'node:assert/strict';
import { test } from 'node:test';
import { logRefused, warnQuietly } from '../../../src/webhook/refused-connections.ts';

test('refused connections are logged once a minute for each reason, with their number', (t) => {
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

test('warnQuietly logs each message as a warning once a minute with the number of its occurrences, and the other occurrences at debug', (t) => {
  let nowMs = 1_000;
  t.mock.method(performance, 'now', () => nowMs);
  const lines: unknown[] = [];
  const at = (level: string) => (message: string, fields?: object) => void lines.push({ level, message, ...fields });
  const warn = warnQuietly({ warn: at('warn'), debug: at('debug') });
  for (const message of ['a', 'a', 'b']) warn(message, { status: 400 });
  nowMs += 60_000;
  warn('a', { status: 413 });
  assert.deepEqual(lines, [
    { level: 'warn', message: 'a', status: 400, count: 1 },
    { level: 'debug', message: 'a', status: 400 },
    { level: 'warn', message: 'b', status: 400, count: 1 },
    { level: 'warn', message: 'a', status: 413, count: 2 },
  ]);
});
