import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { describe, it } from 'node:test';
import packageJson from '../../package.json' with { type: 'json' };
import { projectFile } from '../support/docs.ts';

/** `start` and `prose` pass their arguments on. */
const scripts = Object.entries(packageJson.scripts).flatMap(([name, command]) => {
  const [, file] = /node (?:--\S+ )?(\S+\.ts)$/.exec(command) ?? [];
  return file === undefined || ['start', 'prose'].includes(name) ? [] : [{ name, file }];
});

const run = (file: string, argument: string) =>
  spawnSync(process.execPath, [file, argument], { cwd: projectFile('.'), encoding: 'utf8' });

describe('the npm scripts', () => {
  for (const { name, file } of scripts) {
    it(`npm run ${name} with an unknown argument prints its usage, exits with code 2 and starts nothing`, () => {
      const { status, stderr } = run(file, '--no-such-argument');
      assert.match(stderr, new RegExp(`--no-such-argument[\\s\\S]*\n\nnpm run ${name}\\b`));
      assert.equal(status, 2);
    });
  }

  it('npm run docs -- --help prints its usage and exits with code 0', () => {
    const { status, stdout } = run('tools/docs/main.ts', '--help');
    assert.match(stdout, /^npm run docs\n/);
    assert.equal(status, 0);
  });
});
