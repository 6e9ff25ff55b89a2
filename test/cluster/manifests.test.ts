import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { describe, it } from 'node:test';
import { INSTALL, installManifest, installObjects } from '../support/manifests.ts';

describe('manifests/install.yaml', () => {
  it('is what the base comes to', async () => {
    assert.equal(await readFile(INSTALL, 'utf8'), await installManifest(), 'run "npm run manifests"');
  });

  it('has no Namespace: to delete the install must not delete KubeVela', async () => {
    const kinds = (await installObjects()).map(({ kind }) => kind);
    assert.ok(kinds.includes('Deployment'));
    assert.ok(!kinds.includes('Namespace'));
  });
});
