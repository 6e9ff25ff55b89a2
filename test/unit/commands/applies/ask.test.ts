import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { describe, it } from 'node:test';

const MODULE = new URL('../../../../src/commands/applies/ask.ts', import.meta.url).href;
const ASK = `import('${MODULE}').then(({ ask }) => ask('Again?')).then((answer) => console.log('answer: ' + answer))`;

/** Asks on a terminal, and types the keys when the question is there. */
async function outputAfter(keys: string): Promise<string> {
  const child = spawn('script', ['-qec', '"$NODE" -e "$ASK"', '/dev/null'], {
    stdio: ['pipe', 'pipe', 'inherit'],
    env: { ...process.env, NODE: process.execPath, ASK },
  });
  let output = '';
  let isTyped = false;
  for await (const chunk of child.stdout) {
    output += chunk;
    if (isTyped || !output.includes('[y/N] ')) continue;
    isTyped = true;
    child.stdin.write(keys);
  }
  return output;
}

describe('the question before a retry', () => {
  for (const [name, keys, answer] of [
    ['y', 'y\r', 'yes'],
    ['n', 'n\r', 'no'],
    ['Ctrl-C', '\u0003', 'interrupted'],
    ['Ctrl-D', '\u0004', 'no'],
  ] as const) {
    it(`after ${name} the answer is ${answer}, and the next output is on its own line`, async () => {
      assert.match(await outputAfter(keys), new RegExp(`\\n(?:.*\\r)?answer: ${answer}\\r?\\n$`));
    });
  }
});
