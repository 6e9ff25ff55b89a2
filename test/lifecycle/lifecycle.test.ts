import { after, before, describe } from 'node:test';
import { collectLifecycles } from '../support/chaos/lifecycle-table.ts';
import { type Cluster, startCluster } from '../support/cluster/cluster.ts';
import { crashes } from './crashes.ts';
import { repairs } from './repairs.ts';
import { rotations } from './rotations.ts';
import { STREAM_NAMESPACE } from './stage.ts';

/** Jobs are created at 120 a second all the while, with failurePolicy Ignore: what is not capped is seen. */
describe('under a stream of Jobs', () => {
  let cluster: Cluster;
  const { add, print } = collectLifecycles();
  before(async () => {
    cluster = await startCluster();
    await cluster.createNamespace(STREAM_NAMESPACE);
  });
  after(async () => {
    await cluster.stop();
    print();
  });

  rotations(() => cluster, add);
  repairs(() => cluster, add);
  crashes(() => cluster, add);
});
