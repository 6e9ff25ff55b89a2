import { setTimeout as delay } from 'node:timers/promises';
import { LEASE_MS } from '../backstop/lease.ts';
import type { UninstallOptions } from '../cli/subcommands.ts';
import { WEBHOOK_NAME } from '../registration/desired.ts';
import { inOrder, isShared, type OwnObject, type OwnObjects, type OwnStore } from '../stores/own-objects.ts';

export interface UninstallDependencies {
  readonly objects: OwnObjects;
  /** How the daemon is stopped, to be pasted into a shell. */
  readonly stopCommand: string;
  /** Writes a line for the person who waits. */
  readonly say: (line: string) => void;
  /** Whether the person says yes. */
  readonly confirm: (question: string) => Promise<boolean>;
  readonly now: () => Date;
}

/** A daemon that runs makes anew what is gone within half a second. */
const COME_BACK_MS = 3_000;
const LOOK_MS = 500;
/** A Secret may be written at the same moment; so many times in a row it is not. */
const MOST_LOST_RACES = 10;

/**
 * Removes what the daemon has made itself, and nothing else.
 *
 * @returns the exit code: 0 nothing of it is left (with `dryRun`: it was told), 1 something is and why.
 * @throws OperatorError the `KUBE_…` codes; what comes after that in the order is not removed then.
 */
export async function uninstall(
  { dryRun, yes }: UninstallOptions,
  { objects, stopCommand, say, confirm, now }: UninstallDependencies,
): Promise<number> {
  const found = await Promise.all(inOrder(objects).map(async (store) => ({ store, seen: await store.read() })));
  for (const { store, seen } of found) say(`${store.reference}: ${texts[fateOf(seen)]}`);
  const stopIt = `stop it first, as it would make them anew:\n  ${stopCommand}`;
  const running = runningDaemon(found.find(({ store }) => store.kind === 'Lease')?.seen, now());
  const stillRuns = running && `a daemon runs (${running}): ${stopIt}`;
  if (dryRun) {
    say(stillRuns ?? 'no daemon is seen to run');
    say('nothing was changed');
    return 0;
  }
  const wanted = found.filter(({ seen }) => isToGo(seen));
  const refused = async () => stillRuns ?? (yes || (await confirm('Remove them?')) ? undefined : NOBODY_SAID_YES);
  const problem =
    wanted.length === 0 ? undefined : ((await refused()) ?? (await removeAll(wanted, { objects, say, stopIt })));
  say(problem === undefined ? 'done' : `not done: ${problem}`);
  return problem === undefined ? 0 : 1;
}

const NOBODY_SAID_YES = 'nobody has said yes (--yes says it)';

interface Found {
  readonly store: OwnStore;
  readonly seen: OwnObject | undefined;
}

/** Answers what is in the way of nothing being left. */
async function removeAll(
  wanted: readonly Found[],
  { objects, say, stopIt }: Pick<UninstallDependencies, 'objects' | 'say'> & { readonly stopIt: string },
): Promise<string | undefined> {
  for (const { store } of wanted) {
    if (!(await remove(store, objects)))
      return `${store.reference} is changed faster than it can be removed; try again`;
    say(`${store.reference}: removed`);
  }
  const left = await leftOver(wanted);
  for (const line of left) say(line);
  return left.length === 0 ? undefined : `where it has come back, a daemon still runs: ${stopIt}`;
}

/**
 * What is to become of an object. `leave`: our entry, where it is still in there, and our marks go out of what belongs to others
 * as well, by their entries or by their label.
 */
type Fate = 'none' | 'spare' | 'leave' | 'delete';

function fateOf(seen: OwnObject | undefined): Fate {
  if (seen === undefined) return 'none';
  if (!isShared(seen)) return seen.isOurs ? 'delete' : 'spare';
  return seen.isOurs || (seen.isOthers && seen.webhooks.includes(WEBHOOK_NAME)) ? 'leave' : 'spare';
}

const texts: Readonly<Record<Fate, string>> = {
  none: 'there is none',
  spare: 'left alone: it has no label that says that the daemon has made it',
  leave: `entry ${WEBHOOK_NAME} and our marks to be taken out; what is of others stays`,
  delete: 'to be removed',
};

const isToGo = (seen: OwnObject | undefined): seen is OwnObject => ['leave', 'delete'].includes(fateOf(seen));

/** The replica that has renewed the Lease just now. A daemon without the backstop's rights has none. */
export function runningDaemon(lease: OwnObject | undefined, now: Date): string | undefined {
  const { holder, renewedAt } = lease ?? {};
  if (holder === undefined || renewedAt === undefined) return undefined;
  const agoMs = now.getTime() - renewedAt.getTime();
  const [host] = holder.split('/');
  return agoMs < LEASE_MS ? `${host} renewed its Lease ${Math.max(0, Math.round(agoMs / 1000))} s ago` : undefined;
}

async function remove(store: OwnStore, { registration }: OwnObjects): Promise<boolean> {
  for (let lost = 0; lost < MOST_LOST_RACES; lost += 1) {
    const seen = await store.read();
    if (!isToGo(seen)) return true;
    if (await (fateOf(seen) === 'leave' ? takeOut(registration, seen) : store.delete(seen))) return true;
  }
  return false;
}

/** With our owner it would go with the install. Owners that others have given it stay. */
async function takeOut(registration: OwnObjects['registration'], seen: OwnObject): Promise<boolean> {
  if (seen.owners.length === 0) return registration.leave(seen);
  if (!(await registration.give(seen, undefined))) return false;
  const freed = await registration.read();
  return freed !== undefined && isToGo(freed) ? registration.leave(freed) : freed === undefined;
}

/** Looks again for as long as a daemon would need to make something anew. A line for each object that is there. */
async function leftOver(removed: readonly Found[]): Promise<string[]> {
  let lines: string[] = [];
  for (let waitedMs = 0; waitedMs <= COME_BACK_MS; waitedMs += LOOK_MS) {
    const looks = await Promise.all(
      removed.map(async ({ store, seen }) => ({ store, seen, live: await store.read() })),
    );
    lines = looks.flatMap(({ store, seen, live }) => {
      if (!isToGo(live)) return [];
      return live.uid === seen?.uid && fateOf(live) === 'delete'
        ? `${store.reference}: goes when its finalizers are gone: ${live.finalizers.join(', ')}`
        : `${store.reference}: has come back`;
    });
    if (lines.some((line) => line.endsWith('has come back'))) return lines;
    await delay(LOOK_MS);
  }
  return lines;
}
