import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { countPerMinute, logOncePerOutage } from '../../../src/lib/log-once.ts';

const MINUTE_MS = 60_000;

describe('the log of an outage', () => {
  function start() {
    const lines: string[] = [];
    let nowMs = 0;
    const at = (level: string) => (message: string, fields?: object) => {
      lines.push(`${level} ${message} ${Object.values(fields ?? {}).join()}`);
    };
    const outages = logOncePerOutage({ warn: at('warn'), debug: at('debug') }, () => nowMs);
    const pass = (ms: number) => {
      nowMs += ms;
    };
    return { ...outages, lines, pass };
  }

  test('logOnce warns of the first failure of an outage, and logs all later ones at debug', () => {
    const { failed, lines, pass } = start();
    failed('not written', { nth: 1 });
    pass(10 * MINUTE_MS);
    failed('not written', { nth: 2 });
    assert.deepEqual(lines, ['warn not written 1', 'debug not written 2']);
  });

  test('logOnce warns again after a recovery, but not within a minute of the last warning', () => {
    const { failed, recovered, lines, pass } = start();
    for (const ms of [0, MINUTE_MS - 1, 1]) {
      pass(ms);
      failed('not written', {});
      recovered('not written');
    }
    assert.deepEqual(lines, ['warn not written ', 'debug not written ', 'warn not written ']);
  });

  test('logOnce counts each message as a separate outage', () => {
    const { failed, recovered, lines } = start();
    recovered('never failed');
    failed('not read', {});
    failed('not written', {});
    assert.deepEqual(lines, ['warn not read ', 'warn not written ']);
  });
});

test('countPerMinute returns 1 for the first call of a key, then undefined for a minute, and then the number of calls since', (t) => {
  let nowMs = 0;
  t.mock.method(performance, 'now', () => nowMs);
  const countOf = countPerMinute<string>();
  assert.deepEqual([countOf('a'), countOf('a'), countOf('b')], [1, undefined, 1]);
  nowMs = MINUTE_MS - 1;
  assert.equal(countOf('a'), undefined);
  nowMs = MINUTE_MS;
  assert.deepEqual([countOf('a'), countOf('a')], [3, undefined]);
});
