import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';

const SCRIPT = fileURLToPath(new URL('../../tools/image/main.ts', import.meta.url));

/** Runs the image script without PATH, so that it finds no tool that builds images. */
function imageScript(...args: readonly string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [SCRIPT, ...args], {
    encoding: 'utf8',
    env: { PATH: '/nowhere' },
  });
  return { status, stdout, stderr };
}

describe('npm run image', () => {
  it('npm run image names the tools to install if none can build an image', () => {
    const { status, stderr } = imageScript();
    assert.equal(status, 2);
    assert.match(stderr, /no working engine: install one of buildah, podman, docker\. .* apt-get install buildah/);
  });

  it('npm run image lists the supported container engines if --engine is unknown', () => {
    const { status, stderr } = imageScript('--engine', 'kaniko');
    assert.equal(status, 2);
    assert.match(stderr, /--engine: invalid value "kaniko": must be one of buildah, podman, docker/);
  });

  it('npm run image exits with an error if the given engine does not work', () => {
    const { status, stderr } = imageScript('--engine=podman');
    assert.equal(status, 2);
    assert.match(stderr, /"podman info" fails/);
  });

  it('npm run image exits with code 2 if the file of --npmrc does not exist, and the error names the file', () => {
    const { status, stderr } = imageScript('--npmrc=/nowhere/npmrc');
    assert.equal(status, 2);
    assert.match(stderr, /--npmrc: invalid value "\/nowhere\/npmrc": must be a readable file/);
  });

  it('npm run image refuses an unknown argument before --, and accepts arguments for the engine after --', () => {
    const { status, stderr } = imageScript('tag', 'x');
    assert.equal(status, 2);
    assert.match(stderr, /unknown argument "tag x"; arguments for ENGINE come after --\n\n.*--tag/s);
    assert.match(imageScript('--', '--no-cache').stderr, /no working engine/);
  });

  it('npm run image prints its help, also after an unknown option', () => {
    assert.match(imageScript('--help').stdout, /--run-base IMAGE/);
    const { status, stderr } = imageScript('--base=x');
    assert.equal(status, 2);
    assert.match(stderr, /'--base'[\s\S]*--run-base IMAGE/);
  });
});
