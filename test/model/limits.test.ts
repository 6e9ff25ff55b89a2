import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { boundsOf } from './bounds.ts';
import { explore } from './explorer.ts';
import { createWorld } from './world.ts';

describe('the known limits of the rotation', () => {
  const limits = {
    'API servers refuse a replica that is cut off from them for more than two settle times and still called': {
      kinds: ['cut-off'],
      settle: 2,
      lag: 1,
      apiServers: 1,
      longestCut: 5,
    },
    'API servers refuse a replica that starts within the settle time of a lost CA, before another replica has stored its certificate':
      { kinds: ['secret-deleted', 'crash'], faults: 2, asks: [] },
    'API servers refuse a replica if the Secret and the CA bundle are destroyed together': {
      kinds: ['secret-deleted', 'bundle-emptied'],
      faults: 2,
      asks: [],
    },
  } as const;
  for (const [name, bounds] of Object.entries(limits)) {
    test(name, async () => {
      const { violation } = await explore(await createWorld(boundsOf(bounds)));
      assert.match(violation?.what ?? 'no violation', /^replica \d presents @\w+ to an API server that trusts/);
    });
  }
});
