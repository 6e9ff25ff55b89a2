import assert from 'node:assert/strict';
import { mkdir, readdir, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { inBuildFolder } from '../../../tools/control-plane/build-folder.ts';
import { aFolder } from '../../support/builders/a-folder.ts';

describe('the folder in which one process at a time builds the programs of the tests', () => {
  it('an abandoned folder is taken over, but not a folder whose owner touches it again after a pause', async (t) => {
    const parent = await aFolder(t);
    const building = join(parent, 'building');
    await mkdir(building);
    const touch = (ageMs: number) => utimes(building, new Date(), new Date(Date.now() - ageMs));
    await touch(60_000);
    const waits: number[] = [];
    const onWait = (seconds: number) => {
      waits.push(seconds);
      if (seconds === 1) void touch(0);
      if (seconds === 2) void touch(60_000);
    };
    let found: readonly string[] | undefined;
    await inBuildFolder(parent, { onWait, signal: undefined }, async (folder) => {
      found = await readdir(folder);
    });
    assert.deepEqual(found, []);
    assert.ok(waits.length >= 6, String(waits));
    assert.deepEqual(await readdir(parent), []);
  });
});
