import type { Cluster } from '../support/cluster.ts';
import type { LifecycleRow } from '../support/lifecycle-table.ts';

export function repairs(_cluster: () => Cluster, _add: (row: LifecycleRow) => LifecycleRow): void {}
