import assert from 'node:assert/strict';
import { delimiter } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { aCheckout, type Checkout } from '../support/builders/a-checkout.ts';
import { blocksRunBy } from '../support/docs.ts';

/**
 * This command runs the test suite with this test in it, so running it here would recurse endlessly. CI runs it on a
 * clean checkout.
 */
const OWN_COMMAND = 'npm ci && npm test';

/** Returns the PATH without the folders that npm adds, so that the commands use the Node.js of the machine. */
const pathOfUser = (): string =>
  (process.env.PATH ?? '')
    .split(delimiter)
    .filter((folder) => !/node_modules|node-gyp-bin/.test(folder))
    .join(delimiter);

describe('the shell commands of the documents in a clean checkout', () => {
  let checkout: Checkout;
  before(async () => {
    checkout = await aCheckout();
  });
  after(() => checkout?.remove());

  it('in a clean checkout, the shell commands of README and docs that need no cluster exit with code 0', async (t) => {
    const blocks = await blocksRunBy('checkout');
    const commands = blocks
      .flatMap(({ commands }) => commands.split('\n'))
      .filter((command) => command !== OWN_COMMAND);
    assert.ok(commands.length >= 3);
    const env = { ...process.env, PATH: pathOfUser(), NO_COLOR: '1' };
    for (const command of commands) {
      const start = performance.now();
      await checkout.run(command, env);
      t.diagnostic(`${command}: ${((performance.now() - start) / 1000).toFixed(1)} s`);
    }
  });
});
