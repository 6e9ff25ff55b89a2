import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { text } from 'node:stream/consumers';
import { describe as suite, test } from 'node:test';
import { promisify } from 'node:util';
import type { LogOptions } from '../../src/lib/log.ts';

const sources = new URL('../../src/lib/', import.meta.url);

/** Runs the script in a process and returns its stdout. The script can use `log`, `errorFields` and `OperatorError`. */
async function printed(script: string, options: Partial<LogOptions> = {}): Promise<string> {
  const program = `
    import { createLog } from '${sources}log.ts';
    import { errorFields, OperatorError } from '${sources}errors.ts';
    const log = createLog(${JSON.stringify({ level: 'info', format: 'json', ...options })});
    ${script}`;
  const { stdout, stderr } = await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', program]);
  assert.equal(stderr, '');
  return stdout;
}

/** Returns the lines of a text. Fails if the last line has no line break. */
function linesOf(text: string): string[] {
  const lines = text.split('\n');
  assert.equal(lines.pop(), '');
  return lines;
}

const eventsOf = (text: string) => linesOf(text).map((line) => JSON.parse(line));

suite('the log as JSON', () => {
  test('the JSON log has one line per event with time, level, message and fields', async () => {
    const text = await printed(`
      log.info('admission request patched', { namespace: 'team-a', backoffLimit: 6, dryRun: true, rule: null });
      log.warn('nothing to add');
      log.error('third');`);
    const events = eventsOf(text).map(({ timestamp, ...event }) => {
      assert.equal(new Date(timestamp).toISOString(), timestamp);
      return event;
    });
    assert.deepEqual(events, [
      {
        level: 'info',
        message: 'admission request patched',
        namespace: 'team-a',
        backoffLimit: 6,
        dryRun: true,
        rule: null,
      },
      { level: 'warn', message: 'nothing to add' },
      { level: 'error', message: 'third' },
    ]);
  });

  test('the JSON log has the last line even if the process exits right after it', async () => {
    const text = await printed(`log.info('one'); log.info('two'); process.exit(0);`);
    assert.deepEqual(
      eventsOf(text).map(({ message }) => message),
      ['one', 'two'],
    );
  });

  test('the JSON log has its fields in a fixed order: timestamp, level, message', async () => {
    const [line] = linesOf(
      await printed(`log.info('admission request patched', { namespace: 'team-a', backoffLimit: 6 });`),
    );
    const order = ['timestamp', 'level', 'message', 'namespace', 'backoffLimit'];
    assert.deepEqual(Object.keys(JSON.parse(String(line))), order);
  });

  const levels = ['error', 'warn', 'info', 'debug'] as const;
  for (const [index, level] of levels.entries()) {
    test(`at level ${level} the log has this level and more severe ones`, async () => {
      const text = await printed(`for (const level of ${JSON.stringify(levels)}) log[level]('x');`, { level });
      assert.deepEqual(
        eventsOf(text).map((event) => event.level),
        levels.slice(0, index + 1),
      );
    });
  }

  test('an expected error is logged with its code and without a stack', async () => {
    const text = await printed(`
      const error = new OperatorError('KUBE_CONFLICT', 'somebody was faster', { cause: new Error('409') });
      log.warn('job not capped', { name: 'a', ...errorFields(error) });`);
    const [{ timestamp, ...event }] = eventsOf(text);
    const message = 'job not capped';
    assert.deepEqual(event, {
      level: 'warn',
      message,
      name: 'a',
      code: 'KUBE_CONFLICT',
      error: 'somebody was faster',
    });
  });

  test('an unexpected error is logged with its stack', async () => {
    const [event] = eventsOf(
      await printed(`log.error('exiting on fatal error', errorFields(new TypeError('no such thing')));`),
    );
    assert.deepEqual([event.message, event.error, event.code], ['exiting on fatal error', 'no such thing', undefined]);
    assert.match(event.stack, /^TypeError: no such thing\n +at /);
  });

  test('a thrown value that is no Error is logged', async () => {
    const [{ timestamp, ...event }] = eventsOf(
      await printed(`log.error('exiting on fatal error', errorFields('a text'));`),
    );
    assert.deepEqual(event, { level: 'error', message: 'exiting on fatal error', error: 'a text' });
  });
});

suite('the log format pretty', () => {
  test('the pretty log has time, level, message and fields as JSON', async () => {
    const text = await printed(
      `log.info('ready', { port: 8090, name: 'a b', drift: ['x'] }); log.error('broken'); log.debug('reconciled');`,
      { format: 'pretty', level: 'debug' },
    );
    const lines = linesOf(text).map((line) => line.replace(/^\d\d:\d\d:\d\d\.\d{3} /, '<time> '));
    assert.deepEqual(lines, [
      '<time> INFO  ready port=8090 name="a b" drift=["x"]',
      '<time> ERROR broken',
      '<time> DEBUG reconciled',
    ]);
  });
});

suite('a value with line breaks stays on one log line', () => {
  const values = [
    'two\nlines',
    'a\u2028b\u2029c',
    'del\u007f',
    'next\u0085line\u009f',
    'a\r\nb',
    '\u001b[31mred\u0007',
    'nul\u0000',
    'tab\t',
    '"} {"level":"info',
    '\ud800',
  ];
  for (const format of ['json', 'pretty'] as const) {
    test(`in the ${format} log format a value with line breaks stays on one line`, async () => {
      const script = `for (const name of ${JSON.stringify(values)}) log.info('x', { name });`;
      const lines = linesOf(await printed(script, { format }));
      assert.equal(lines.length, values.length);
      for (const [index, line] of lines.entries()) {
        assert.doesNotMatch(line, /[\p{Cc}\p{Zl}\p{Zp}]/u);
        const [, written = ''] = /"?name"?[=:](".*")/.exec(line) ?? [];
        assert.equal(JSON.parse(written), values[index]);
      }
    });
  }
});

suite('a log whose output cannot be written', () => {
  const programOf = (script: string) => `
    import { createLog } from '${sources}log.ts';
    const log = createLog({ level: 'info', format: 'json' });
    ${script}`;

  test('a log on a full disk does not stop the daemon', async () => {
    const script = `
      for (let nth = 0; nth < 100; nth++) log.info('x');
      setTimeout(() => process.stderr.write('still here'), 50);`;
    const args = ['-c', 'exec "$0" --input-type=module --eval "$1" >/dev/full', process.execPath, programOf(script)];
    assert.equal((await promisify(execFile)('/bin/sh', args)).stderr, 'still here');
  });

  test('a log whose reader does not read buffers a bounded amount in memory', async () => {
    const script = `
      const text = 'x'.repeat(1000);
      const more = (left) => {
        for (let nth = 0; nth < 1000; nth++) log.info(text);
        if (left > 0) return setImmediate(more, left - 1);
        process.stderr.write(String(process.stdout.writableLength));
        process.exit();
      };
      more(20);`;
    const child = spawn(process.execPath, ['--input-type=module', '--eval', programOf(script)], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const stderr = await text(child.stderr);
    assert.ok(Number(stderr) > 1_000_000 && Number(stderr) < 1_100_000, `${stderr} bytes wait`);
    child.stdout.destroy();
  });
});
