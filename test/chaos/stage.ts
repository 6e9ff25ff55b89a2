import type { Cluster } from '../support/cluster/cluster.ts';
import type { HaControlPlane } from './ha-control-plane.ts';
import type { Sight } from './sight.ts';
import type { Slot } from './slots.ts';
import type { WindowLog } from './windows.ts';

/** The replicas, API servers and clients that the faults act on. */
export interface Stage {
  readonly plane: HaControlPlane;
  /** One client for each API server. */
  readonly clusters: readonly Cluster[];
  readonly slots: readonly Slot[];
  readonly sights: readonly Sight[];
  readonly windows: WindowLog;
}

/** A damage of the registration: when it was stored, and when an API server first returned the repair. */
export interface Repair {
  readonly damage: string;
  readonly inflictedAt: Date;
  readonly repairedAt: Date | undefined;
}

/** Time until a fault that has ended has no effect, because informers and retries recover later. */
export const SLACK_MS = 500;
