import { after, before, describe } from 'node:test';
import { collectLifecycles } from '../support/chaos/lifecycle-table.ts';
import type { Cluster } from '../support/cluster/cluster.ts';
import { grantBackstop, startWithSmallerRights } from '../support/cluster/smaller-rights.ts';
import { applies } from './applies.ts';
import { crashes } from './crashes.ts';
import { repairs } from './repairs.ts';
import { rotations } from './rotations.ts';
import { STREAM_NAMESPACE } from './stage.ts';

/**
 * All scenarios run under a stream of 120 Jobs a second. failurePolicy is Ignore, so that a failed webhook call shows
 * as an uncapped Job. The daemon has the smallest rights, because no scenario needs more.
 */
describe('lifecycle scenarios under a stream of Jobs', () => {
  let cluster: Cluster;
  const { add, print } = collectLifecycles();
  before(async () => {
    cluster = await startWithSmallerRights();
    await cluster.createNamespace(STREAM_NAMESPACE);
    await grantBackstop(cluster, [STREAM_NAMESPACE]);
  });
  after(async () => {
    await cluster.stop();
    print();
  });

  rotations(() => cluster, add);
  repairs(() => cluster, add);
  crashes(() => cluster, add);
  applies(() => cluster, add);
});
