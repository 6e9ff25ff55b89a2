import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import { createEvents, type Notice, type Occurrence } from '../../../src/telemetry/events.ts';

const notice = (fields: Partial<Notice> = {}): Notice => ({
  type: 'Normal',
  action: 'renew',
  reason: 'due',
  note: 'A serving certificate was issued.',
  ...fields,
});

/** Returns an emitter of Events with recorded writes and a settable clock. */
function start(t: TestContext, { refuse = (): boolean => false } = {}) {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const written: string[] = [];
  const notes: string[] = [];
  const warnings: unknown[] = [];
  let nowMs = Date.UTC(2030, 0);
  const publish = async ({ action, reason, note }: Notice, { at, count }: Occurrence) => {
    if (refuse()) throw new Error('cannot write Event: no rights');
    written.push(`${action} ${reason} ${count}`);
    notes.push(`${at.toISOString().slice(14, 19)} ${note}`);
  };
  const log = { error: assert.fail, warn: (...line: unknown[]) => warnings.push(line), info() {}, debug() {} };
  const events = createEvents(publish, log, () => new Date(nowMs));
  const pass = (ms: number) => {
    nowMs += ms;
    t.mock.timers.tick(Math.max(ms, 0));
  };
  return { ...events, written, notes, warnings, pass };
}

describe('Events of the daemon', () => {
  test('a repeated Event is written at once, and then at most once a minute with the number of occurrences', (t) => {
    const { emit, written, pass } = start(t);
    for (let times = 0; times < 5; times += 1) emit(notice());
    assert.deepEqual(written, ['renew due 1']);
    pass(59_999);
    emit(notice());
    assert.deepEqual(written, ['renew due 1']);
    pass(1);
    assert.deepEqual(written, ['renew due 1', 'renew due 5']);
    pass(60_000);
    assert.equal(written.length, 2, 'nothing has happened');
    emit(notice());
    assert.deepEqual(written.slice(2), ['renew due 1']);
  });

  test('the note of an Event is truncated to at most 1,024 bytes, between two characters', (t) => {
    const { emit, notes } = start(t);
    for (const [action, note] of Object.entries({
      whole: 'x'.repeat(1_024),
      long: 'x'.repeat(5_000),
      wide: '規'.repeat(400),
    })) {
      emit(notice({ action, note }));
    }
    const cut = 'x'.repeat(1_024);
    assert.deepEqual(notes, [`00:00 ${cut}`, `00:00 ${cut}`, `00:00 ${'規'.repeat(341)}`]);
  });

  test('a repeated Event is written with its latest note and the time at which that note was emitted', (t) => {
    const { emit, notes, pass } = start(t);
    for (const note of ['one', 'two', 'three']) {
      emit(notice({ note }));
      pass(10_000);
    }
    pass(30_000);
    assert.deepEqual(notes, ['00:00 one', '00:20 three']);
  });

  test('each action and reason has its own Event', (t) => {
    const { emit, written } = start(t);
    for (const one of [notice(), notice({ reason: 'expired' }), notice({ action: 'replace' })]) emit(one);
    assert.deepEqual(written, ['renew due 1', 'renew expired 1', 'replace due 1']);
  });

  test('a repeated Event is written within a minute even after the clock was set back', (t) => {
    const { emit, written, pass } = start(t);
    emit(notice());
    pass(-3_600_000);
    emit(notice());
    pass(60_000);
    assert.equal(written.length, 2);
  });

  test('if Events cannot be written, one warning is logged and nothing is thrown', async (t) => {
    const { emit, warnings, written, pass } = start(t, { refuse: () => true });
    for (let times = 0; times < 3; times += 1) {
      emit(notice());
      pass(60_000);
      await new Promise(setImmediate);
    }
    assert.deepEqual(warnings, [['cannot write events', { reason: 'cannot write Event: no rights' }]]);
    assert.deepEqual(written, []);
  });
});
