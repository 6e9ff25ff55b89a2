import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';

const SCRIPT = fileURLToPath(new URL('../../tools/image/main.ts', import.meta.url));

/** Without PATH nothing is found that could build an image. */
function imageScript(...args: readonly string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [SCRIPT, ...args], {
    encoding: 'utf8',
    env: { PATH: '/nowhere' },
  });
  return { status, stdout, stderr };
}

describe('npm run image', () => {
  it('names what to install where nothing can build an image', () => {
    const { status, stderr } = imageScript();
    assert.equal(status, 2);
    assert.match(stderr, /needs one of buildah, podman, docker, .* apt-get install buildah/);
  });

  it('names the engines that there are when it is asked for another', () => {
    const { status, stderr } = imageScript('--engine', 'kaniko');
    assert.equal(status, 2);
    assert.match(stderr, /--engine kaniko is none of buildah, podman, docker/);
  });

  it('says so where the engine that is asked for does not work', () => {
    const { status, stderr } = imageScript('--engine=podman');
    assert.equal(status, 2);
    assert.match(stderr, /"podman info" fails/);
  });

  it('names a file that is not there', () => {
    const { status, stderr } = imageScript('--npmrc=/nowhere/npmrc');
    assert.equal(status, 2);
    assert.match(stderr, /--npmrc \/nowhere\/npmrc: there is no such file/);
  });

  it('takes no word for an argument of the engine that does not stand behind --', () => {
    const { status, stderr } = imageScript('tag', 'x');
    assert.equal(status, 2);
    assert.match(stderr, /found tag x; allowed there are options alone\n\n.*--tag/s);
    assert.match(imageScript('--', '--no-cache').stderr, /needs one of buildah/);
  });

  it('explains itself, also after an option that there is not', () => {
    assert.match(imageScript('--help').stdout, /--run-base IMAGE/);
    const { status, stderr } = imageScript('--base=x');
    assert.equal(status, 2);
    assert.match(stderr, /'--base'[\s\S]*--run-base IMAGE/);
  });
});
