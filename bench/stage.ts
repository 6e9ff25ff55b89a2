import type { Cluster } from '../test/support/cluster/cluster.ts';
import type { Progress } from '../tools/control-plane/progress.ts';
import type { Programs } from './programs.ts';

/** The inputs of each part of a run. */
export interface Stage {
  readonly programs: Programs;
  /** A control plane with the daemon's RBAC. The parts reuse it one after the other. */
  readonly cluster: Cluster;
  /** A temporary folder. The run removes it at the end. */
  readonly folder: string;
  readonly rounds: number;
  /** Whether each measurement takes only a few seconds. The figures are then too noisy to publish. */
  readonly isQuick: boolean;
  readonly progress: Progress;
}
