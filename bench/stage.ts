import type { Cluster } from '../test/support/cluster/cluster.ts';
import type { Progress } from '../tools/control-plane/progress.ts';
import type { Programs } from './programs.ts';

/** What every part of a run is measured with. */
export interface Stage {
  readonly programs: Programs;
  /** A control plane with the daemon's rights; the parts leave it as it was. */
  readonly cluster: Cluster;
  /** A folder for files of the run. */
  readonly folder: string;
  readonly rounds: number;
  /** For a look while one works on it: the figures are those of a few seconds. */
  readonly isQuick: boolean;
  readonly progress: Progress;
}
