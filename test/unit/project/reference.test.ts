import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pages } from '../../../tools/docs/pages.ts';
import { readDocument } from '../../support/docs.ts';

for (const [name, text] of pages()) {
  test(`docs/reference/${name} equals the output of \`npm run docs\``, async () => {
    assert.equal(await readDocument(`docs/reference/${name}`), text, 'the page is stale: run npm run docs');
  });
}
