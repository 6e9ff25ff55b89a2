import type { Cluster } from '../support/cluster/cluster.ts';
import type { HaControlPlane } from './ha-control-plane.ts';
import type { Sight } from './sight.ts';
import type { Slot } from './slots.ts';
import type { WindowLog } from './windows.ts';

/** What the faults are done to. */
export interface Stage {
  readonly plane: HaControlPlane;
  /** Clients of each API server. */
  readonly clusters: readonly Cluster[];
  readonly slots: readonly Slot[];
  readonly sights: readonly Sight[];
  readonly windows: WindowLog;
}

/** Damage to the registration, from when it was stored until an API server showed the repair. */
export interface Repair {
  readonly damage: string;
  readonly inflictedAt: Date;
  readonly repairedAt: Date | undefined;
}

/** What is over may take so long to be over everywhere: informers and retries come after it. */
export const SLACK_MS = 500;
