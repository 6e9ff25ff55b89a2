import { setTimeout as delay } from 'node:timers/promises';
import { type Cluster, NAMESPACE } from '../support/cluster/cluster.ts';
import { eventually } from '../support/eventually.ts';
import { askForRotation, damageRegistration, damageSecret } from './damaging.ts';
import type { Action, LogTo, Signal } from './schedule.ts';
import type { Slot } from './slots.ts';
import { type Repair, SLACK_MS, type Stage } from './stage.ts';
import type { WindowLog } from './windows.ts';

/**
 * The longest delay after which an action still starts. Later actions are left out, so that a run on a slow machine
 * ends.
 */
const LATEST_MS = 5_000;

export interface Faults {
  /**
   * Performs the action after earlier actions on the same targets have ended. Resolves with the reason if the action
   * was left out or failed.
   */
  perform(action: Action): Promise<string | undefined>;
  repairs(): readonly Repair[];
}

export function createFaults(stage: Stage): Faults {
  const repairs: Repair[] = [];
  const ends = new Map<string, Promise<unknown>>();
  return {
    repairs: () => repairs,
    async perform(action) {
      const targets = targetsOf(action, stage);
      const dueMs = performance.now();
      const act = async () => {
        await Promise.all(before);
        if (performance.now() - dueMs > LATEST_MS) throw new Error('what was done before on the same took too long');
        return inflict(stage, repairs, action);
      };
      const before = targets.map((target) => ends.get(target));
      const done = act().then(
        () => undefined,
        (error: unknown) => String(error).slice(0, 3_000),
      );
      for (const target of targets) ends.set(target, done);
      return done;
    },
  };
}

/** Returns the targets that an action uses alone: a second action on the same target waits. */
function targetsOf(action: Action, { slots, plane }: Stage): readonly string[] {
  const replicas = slots.map((_, nth) => `replica ${nth}`);
  const links = slots.map((_, nth) => `link ${nth}`);
  switch (action.kind) {
    case 'all-replicas-end':
      return replicas;
    case 'replica-end':
    case 'replica-frozen':
      return [`replica ${action.replica}`];
    case 'link-cut':
    case 'link-half-open':
      return [`link ${action.replica}`];
    case 'watches-gone':
      return [`server ${action.server}`, ...links];
    case 'api-restart':
    case 'api-paused':
    case 'api-slow':
      return [`server ${action.server}`];
    case 'etcd-restart':
      return ['etcd', ...plane.servers.map((_, nth) => `server ${nth}`)];
    case 'secret-damaged':
    case 'rotation-asked':
      return ['secret'];
    case 'registration-damaged':
      return ['registration'];
    case 'clock-jump':
      return [];
  }
}

async function inflict(stage: Stage, repairs: Repair[], action: Action): Promise<void> {
  const { slots, plane } = stage;
  switch (action.kind) {
    case 'replica-end':
      return restartSlot(slots[action.replica] as Slot, action);
    case 'all-replicas-end':
      await Promise.all(slots.map((slot) => restartSlot(slot, action)));
      return;
    case 'replica-frozen':
      return freeze(stage, action);
    case 'clock-jump':
      return slots[action.replica]?.setClock(action.bySeconds);
    case 'link-cut':
    case 'link-half-open':
      return breakLink(stage, action);
    case 'watches-gone':
      return forgetWatches(stage, action.server);
    case 'api-restart':
      return during(stage, ['api-server', action.server], async () =>
        plane.servers[action.server]?.restart(action.signal, () => delay(action.forMs)),
      );
    case 'api-paused':
      return pause(stage, action);
    case 'api-slow':
      return slowDown(stage, action);
    case 'etcd-restart':
      return restartEtcd(stage, action);
    case 'secret-damaged':
      return damageSecret(stage, action.damage);
    case 'registration-damaged':
      return damageRegistration(stage, repairs, action.damage);
    case 'rotation-asked':
      return askForRotation(stage, action.part);
  }
}

type Target = Parameters<WindowLog['open']>;

/**
 * Runs `act` and records the time of the fault in the window log. The recorded time ends SLACK_MS after `act`, because
 * informers and retries recover late.
 */
async function during({ windows }: Stage, target: Target, act: () => Promise<unknown>): Promise<void> {
  const close = windows.open(...target);
  try {
    await act();
    await delay(SLACK_MS);
  } finally {
    close();
  }
}

interface Lasting {
  readonly server: number;
  readonly forMs: number;
}

async function restartSlot(
  slot: Slot,
  action: { readonly signal: Signal; readonly log: LogTo; readonly forMs: number },
): Promise<void> {
  await slot.end(action.signal);
  await delay(action.forMs);
  await slot.start(action.log);
}

const freeze = (stage: Stage, { replica, forMs }: { readonly replica: number; readonly forMs: number }) =>
  during(stage, ['replica-frozen', replica], async () => {
    const { pid } = (stage.slots[replica] as Slot).replica();
    process.kill(pid, 'SIGSTOP');
    await delay(forMs);
    process.kill(pid, 'SIGCONT');
  });

const breakLink = (stage: Stage, { kind, replica, forMs }: { kind: string; replica: number; forMs: number }) =>
  during(stage, ['link', replica], async () => {
    const { link } = stage.slots[replica] as Slot;
    if (kind === 'link-cut') link.cut();
    else link.halfOpen();
    await delay(forMs);
    link.restore();
  });

/** Leads all replicas to one API server and restarts it, so that its watch cache is empty. */
async function forgetWatches(stage: Stage, server: number): Promise<void> {
  const { slots, plane } = stage;
  const target = plane.servers[server];
  const closes = slots.map((_, nth) => stage.windows.open('link', nth));
  for (const { link } of slots) link.only(target?.port);
  // Within two seconds all replicas connect their watches to the only API server that their links still forward to.
  await delay(2_000);
  await during(stage, ['api-server', server], async () => target?.restart('SIGKILL'));
  // The replicas reconnect their watches within five seconds.
  await delay(6_000);
  for (const { link } of slots) link.only(undefined);
  for (const close of closes) close();
}

const pause = (stage: Stage, { server, forMs }: Lasting) =>
  during(stage, ['api-server', server], async () => {
    stage.plane.servers[server]?.signal('SIGSTOP');
    await delay(forMs);
    stage.plane.servers[server]?.signal('SIGCONT');
  });

/**
 * Stops the API server for 40 ms of every 80 ms. The window log does not record this fault, because it must not excuse
 * a lost Job.
 */
async function slowDown({ plane }: Stage, { server, forMs }: Lasting): Promise<void> {
  const SLICE_MS = 40;
  const until = performance.now() + forMs;
  while (performance.now() < until) {
    plane.servers[server]?.signal('SIGSTOP');
    await delay(SLICE_MS);
    plane.servers[server]?.signal('SIGCONT');
    await delay(SLICE_MS);
  }
}

const restartEtcd = (stage: Stage, { signal, forMs }: { readonly signal: Signal; readonly forMs: number }) =>
  during(stage, ['etcd', 0], async () => {
    await stage.plane.etcd.restart(signal, () => delay(forMs));
    const isBack = ({ core }: Cluster) =>
      eventually(() => core.readNamespace({ name: NAMESPACE }), { withinMs: 60_000 });
    await Promise.all(stage.clusters.map(isBack));
  });
