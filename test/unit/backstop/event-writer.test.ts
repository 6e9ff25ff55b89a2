import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { OperatorError } from '../../../src/lib/errors.ts';
import { away, settled, startBackstop } from '../../support/builders/a-backstop.ts';
import { eventually } from '../../support/eventually.ts';

describe('the writer of Job Events', { timeout: 300_000 }, () => {
  test('the Event writer retries an Event, even after another replica has taken the Lease', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    let refusals = 3;
    const writeEvent = async () => {
      refusals -= 1;
      if (refusals >= 0) throw away;
      return true;
    };
    const { seen, lines, ended, endRun } = startBackstop(t, 1, { writeEvent });
    await settled();
    endRun();
    await ended;
    for (let second = 0; second < 30; second += 1) {
      t.mock.timers.tick(1_000);
      await settled();
    }
    assert.deepEqual(
      seen.events.map(({ reason }) => reason),
      ['Missed'],
    );
    assert.deepEqual(
      lines.filter((line) => line.startsWith('warn')),
      [],
    );
  });

  test('the Event writer gives up an Event after about a minute and logs a warning', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    let tries = 0;
    const writeEvent = async () => {
      tries += 1;
      throw away;
    };
    const { seen, lines } = startBackstop(t, 1, { writeEvent });
    for (let second = 0; second < 120; second += 1) {
      t.mock.timers.tick(1_000);
      await settled();
    }
    assert.deepEqual([tries, seen.events], [6, []]);
    assert.deepEqual(
      lines.filter((line) => line.startsWith('warn')),
      ['warn cannot write a job event'],
    );
  });

  test('the Event writer does not retry an Event that the API server refuses', async (t) => {
    let tries = 0;
    const writeEvent = async () => {
      tries += 1;
      throw new OperatorError('KUBE_FORBIDDEN', 'no rights');
    };
    const { lines } = startBackstop(t, 1, { writeEvent });
    await eventually(() => assert.ok(lines.includes('warn cannot write a job event')));
    assert.equal(tries, 1);
  });
});
