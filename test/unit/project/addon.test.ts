import assert from 'node:assert/strict';
import { access, readFile } from 'node:fs/promises';
import { describe, it } from 'node:test';
import { ADDON, addonFiles } from '../../../tools/addon/addon.ts';
import { projectFile } from '../../support/docs.ts';

describe('the KubeVela addon', () => {
  it('the addon has its generated files up to date', async () => {
    for (const [file, content] of Object.entries(await addonFiles())) {
      const isCurrent = (await readFile(ADDON + file, 'utf8')) === content;
      assert.ok(isCurrent, `${file}: run "npm run manifests"`);
    }
  });

  it('README.md of the addon has a row for each parameter, and its links name files of this repository', async () => {
    const readme = await readFile(`${ADDON}README.md`, 'utf8');
    const parameters = [...(await readFile(`${ADDON}parameter.cue`, 'utf8')).matchAll(/^\t(\w+):/gm)];
    assert.ok(parameters.length > 1);
    for (const [, name] of parameters) assert.ok(readme.includes(`\n| \`${name}\` |`), name);
    const files = [...readme.matchAll(/\/blob\/v[\d.]+\/([\w./-]+)/g)].map(([, name = '']) => name);
    assert.ok(files.length > 1);
    for (const name of files) await assert.doesNotReject(access(projectFile(name)), name);
  });
});
