import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { createLogOutput, inBatches, MOST_WAITING_BYTES } from '../../../src/lib/log-output.ts';

/** Returns a log output and its sink, which can be full or without a reader. */
function anOutput() {
  const [lines, told]: [string[], number[]] = [[], []];
  const state = { isFull: false, waiting: 0 };
  const sink = {
    write(line: string) {
      if (state.isFull) throw Object.assign(new Error('no space left on device'), { code: 'ENOSPC' });
      lines.push(line);
    },
    waitingBytes: () => state.waiting,
  };
  const output = createLogOutput(sink, (count) => told.push(count));
  return { output, lines, told, state };
}

describe('the output of the log', () => {
  it('the log output writes each line', () => {
    const { output, lines, told } = anOutput();
    output('one\n');
    output('two\n');
    assert.deepEqual([lines, told], [['one\n', 'two\n'], []]);
  });

  it('the log output drops lines while the disk is full, and then reports the number of dropped lines', () => {
    const { output, lines, told, state } = anOutput();
    output('one\n');
    state.isFull = true;
    for (let nth = 0; nth < 3; nth++) output('lost\n');
    assert.deepEqual(told, []);
    state.isFull = false;
    output('two\n');
    // A part of the last dropped line can have been written, so the output begins the next line with a line break.
    assert.deepEqual([lines, told], [['one\n', '\ntwo\n'], [3]]);
    output('three\n');
    assert.deepEqual([lines.at(-1), told], ['three\n', [3]]);
  });

  it('the log output drops lines while too many bytes wait for the reader', () => {
    const { output, lines, told, state } = anOutput();
    state.waiting = MOST_WAITING_BYTES + 1;
    output('lost\n');
    state.waiting = 0;
    output('one\n');
    assert.deepEqual([lines, told], [['\none\n'], [1]]);
  });
});

describe('lines in batches', () => {
  it('lines of one event loop turn are written together', async () => {
    const written: string[] = [];
    const sink = inBatches({ write: (lines) => written.push(lines), waitingBytes: () => 7 });
    sink.write('one\n');
    sink.write('two\n');
    assert.deepEqual([written, sink.waitingBytes()], [[], 15]);
    await nextTurn();
    assert.deepEqual([written, sink.waitingBytes()], [['one\ntwo\n'], 7]);
    sink.write('three\n');
    await nextTurn();
    assert.deepEqual(written, ['one\ntwo\n', 'three\n']);
  });
});
