import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { describe, test } from 'node:test';
import { aCheckout } from '../../support/builders/a-checkout.ts';
import { eventually } from '../../support/eventually.ts';

const SCRIPT = `
  const { aCheckout } = await import(${JSON.stringify(new URL('../../support/builders/a-checkout.ts', import.meta.url).href)});
  const checkout = await aCheckout();
  console.log(checkout.folder);
  await checkout.run('(while :; do mkdir -p a/b && date > a/b/written; done) & echo $! > pid.new && mv pid.new pid && wait');`;

/** Returns whether the process runs. A zombie counts as ended. */
function isRunning(pid: number): boolean {
  try {
    return !/^\d+ \(.*\) Z/s.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}

describe('the checkout of the project for tests', { concurrency: 3 }, () => {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGKILL'] as const) {
    test(`after ${signal} of the test process, its checkout of the project and the commands in it are gone`, async (t) => {
      const child = spawn(process.execPath, ['--input-type=module', '-e', SCRIPT], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      t.after(() => child.kill('SIGKILL'));
      const lines = createInterface({ input: child.stdout });
      const folder = await new Promise<string>((resolve) => lines.once('line', resolve));
      const pid = await eventually(() => Number(readFileSync(join(folder, 'pid'), 'utf8')));
      assert.ok(isRunning(pid));
      assert.ok(existsSync(join(folder, 'README.md')));
      child.kill(signal);
      await eventually(() => assert.deepEqual([existsSync(folder), isRunning(pid)], [false, false]));
    });
  }

  test('remove() deletes a checkout of the project, and a failed command in it rejects with its output', async (t) => {
    const checkout = await aCheckout();
    t.after(() => checkout.remove());
    await checkout.run('test -f package.json');
    await assert.rejects(checkout.run('echo why; exit 3'), /ended with 3:\nwhy\n$/);
    await checkout.remove();
    assert.ok(!existsSync(checkout.folder));
  });
});
