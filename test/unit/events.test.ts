import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createEvents, type Notice } from '../../src/events.ts';

const notice = (fields: Partial<Notice> = {}): Notice => ({
  type: 'Normal',
  action: 'renew',
  reason: 'due',
  note: 'A serving certificate was issued.',
  ...fields,
});

/** Events whose store a test can see, and whose clock it sets. */
function start({ refuse = () => false } = {}) {
  const written: string[] = [];
  const warnings: unknown[] = [];
  let nowMs = Date.UTC(2030, 0);
  const store = {
    async publish({ action, reason }: Notice, count: number) {
      if (refuse()) throw new Error('cannot write Event: no rights');
      written.push(`${action} ${reason} ${count}`);
    },
  };
  const log = { error: assert.fail, warn: (...line: unknown[]) => warnings.push(line), info() {}, debug() {} };
  const events = createEvents(store, log, () => new Date(nowMs));
  const pass = (ms: number) => {
    nowMs += ms;
  };
  return { ...events, written, warnings, pass };
}

describe('an Event', () => {
  test('is written at once, and once a minute at the most: what comes in between is counted', () => {
    const { tell, written, pass } = start();
    for (let times = 0; times < 5; times += 1) tell(notice());
    assert.deepEqual(written, ['renew due 1']);
    pass(59_999);
    tell(notice());
    assert.deepEqual(written, ['renew due 1']);
    pass(1);
    tell(notice());
    assert.deepEqual(written, ['renew due 1', 'renew due 6']);
  });

  test('of another action or reason is another one', () => {
    const { tell, written } = start();
    for (const one of [notice(), notice({ reason: 'expired' }), notice({ action: 'replace' })]) tell(one);
    assert.deepEqual(written, ['renew due 1', 'renew expired 1', 'replace due 1']);
  });

  test('is written also after the clock was set back', () => {
    const { tell, written, pass } = start();
    tell(notice());
    pass(-3_600_000);
    tell(notice());
    assert.equal(written.length, 2);
  });

  test('that cannot be written is told in the log once, and never thrown', async () => {
    const { tell, warnings, written, pass } = start({ refuse: () => true });
    for (let times = 0; times < 3; times += 1) {
      tell(notice());
      pass(60_000);
      await new Promise(setImmediate);
    }
    assert.deepEqual(warnings, [['events are not written', { reason: 'cannot write Event: no rights' }]]);
    assert.deepEqual(written, []);
  });
});
