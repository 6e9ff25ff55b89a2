import { setTimeout as delay } from 'node:timers/promises';
import type { LeaseStore } from '../backstop/lease.ts';
import type { SecretStore } from '../certs/reconcile.ts';
import { errorFields, OperatorError } from '../lib/errors.ts';
import type { Log } from '../lib/log.ts';
import { onceUntilDone } from '../lib/log-once.ts';
import type { RegistrationStore } from '../registration/reconcile.ts';
import { isShared, type OwnerReference, type OwnObject, type OwnStore } from '../stores/own-objects.ts';

/** Gives what the daemon makes to the ClusterRole of its install, so that it goes with that. */
export interface Ownership {
  /** Gives what there is and has no owner yet. A courtesy: what is in the way is told once. Never rejects. */
  adopt(): Promise<void>;
  /** The same, but not more often than every five seconds: what comes in between has its look when they are over. */
  adoptInTime(): Promise<void>;
  /** @throws OperatorError `OWNER_GONE` for a minute after the owner has vanished: the install is being deleted. */
  refuseIfGone(): Promise<void>;
}

export interface OwnershipDependencies {
  /** `undefined` where there is no ClusterRole of that name. */
  readonly readOwner: () => Promise<OwnerReference | undefined>;
  readonly ownerName: string;
  /** The Secret must be among them: its annotations say whether anything may be written. */
  readonly objects: readonly OwnStore[];
  readonly log: Log;
  /** Milliseconds on a clock that nobody sets. */
  readonly uptimeMs: () => number;
}

/** Pods of an install that was deleted are gone by then. */
const GONE_MS = 60_000;
const OFTEN_ENOUGH_MS = 5_000;
/** Who makes something waits for its owner for so long. */
const MOST_WAIT_MS = 500;

export function createOwnership({ readOwner, ownerName, objects, log, uptimeMs }: OwnershipDependencies): Ownership {
  const once = onceUntilDone(log, () => new Date(uptimeMs()));
  /** What was given by this process: who takes it out again is not fought. */
  const given = new Set<string>();
  const takenBack = new Set<string>();
  let wasSeen = false;
  let goneSinceMs: number | undefined;
  let adoptedAtMs = Number.NEGATIVE_INFINITY;
  let adopting: Promise<void> | undefined;
  let nextLook: NodeJS.Timeout | undefined;

  /** `undefined` where nothing can be said: there is none, or no right to read it, or no answer. */
  async function look(): Promise<OwnerReference | undefined> {
    try {
      const owner = await readOwner();
      if (owner !== undefined) once.done(NOT_OWNED);
      else once.failed(NOT_OWNED, { clusterRole: ownerName, why: 'there is no such ClusterRole', next: NEXT });
      saw(owner !== undefined);
      return owner;
    } catch (error) {
      if (!(error instanceof OperatorError)) throw error;
      if (error.retryable) return undefined;
      // The right to read it stands in the ClusterRole itself, so that it goes together with it.
      saw(false);
      once.failed(NOT_OWNED, { clusterRole: ownerName, ...errorFields(error), next: NEXT });
      return undefined;
    }
  }

  function saw(isThere: boolean): void {
    wasSeen ||= isThere;
    goneSinceMs = isThere || !wasSeen ? undefined : (goneSinceMs ?? uptimeMs());
  }

  /** Whoever may not read the Lease does without the backstop's rights; what else fails is told of elsewhere. */
  async function read(store: OwnStore): Promise<OwnObject | undefined> {
    try {
      return await store.read();
    } catch (error) {
      if (!(error instanceof OperatorError)) throw error;
      log.debug('owner not looked at', { object: store.reference, ...errorFields(error) });
      return undefined;
    }
  }

  async function give(store: OwnStore, seen: OwnObject, owner: OwnerReference): Promise<void> {
    const gift = `${seen.uid} ${owner.uid}`;
    if (given.has(gift)) {
      once.failed(TAKEN_OUT, { object: store.reference });
      return;
    }
    if (!(await hand(store, seen, owner))) return;
    given.add(gift);
    log.info('owner given', { object: store.reference, clusterRole: owner.name });
  }

  /** What others have put into the registration is not to go with the install. */
  async function takeBack(store: OwnStore, seen: OwnObject, owner: OwnerReference): Promise<void> {
    const gift = `${seen.uid} ${owner.uid}`;
    // Somebody else has given it as well.
    if (takenBack.has(gift) || !(await hand(store, seen, undefined))) return;
    takenBack.add(gift);
    given.delete(gift);
    log.warn('owner taken back, as it is not ours alone', { object: store.reference, next: UNINSTALL });
  }

  /** Whether it was written. */
  async function hand(store: OwnStore, seen: OwnObject, owner: OwnerReference | undefined): Promise<boolean> {
    try {
      const isWritten = await store.give(seen, owner);
      // It has changed meanwhile: the next event is the time to look again.
      if (!isWritten) adoptedAtMs = Number.NEGATIVE_INFINITY;
      return isWritten;
    } catch (error) {
      if (!(error instanceof OperatorError)) throw error;
      if (!error.retryable) once.failed('owner not given', { object: store.reference, ...errorFields(error) });
      return false;
    }
  }

  const acts = { give, takeBack, leave: async () => {} } as const;

  async function giveAll(): Promise<void> {
    const owner = await look();
    if (owner === undefined) return;
    const found = await Promise.all(objects.map(async (store) => ({ store, seen: await read(store) })));
    if (found.some(({ store, seen }) => store.kind === 'Secret' && seen?.isPaused)) return;
    for (const { store, seen } of found) {
      if (seen !== undefined) await acts[judgeOwner(seen, owner)](store, seen, owner);
    }
  }

  /** One after another: what the one has just given would look to the other as if it had been taken out. */
  async function adopt(): Promise<void> {
    const before = adopting;
    const own = (async () => {
      await before;
      adoptedAtMs = uptimeMs();
      await giveAll().catch((error: unknown) => log.error('owners not looked at', errorFields(error)));
    })();
    adopting = own;
    await own;
    if (adopting === own) adopting = undefined;
  }

  /** A look that is under way may have read already what has just changed. */
  async function adoptInTime(): Promise<void> {
    const waitMs = adopting === undefined ? adoptedAtMs + OFTEN_ENOUGH_MS - uptimeMs() : OFTEN_ENOUGH_MS;
    if (waitMs <= 0) return adopt();
    if (nextLook !== undefined) return;
    const begin = () => {
      nextLook = undefined;
      void adoptInTime();
    };
    nextLook = setTimeout(begin, waitMs).unref();
  }

  return {
    adopt,
    adoptInTime,
    async refuseIfGone() {
      if (!wasSeen) return;
      await look();
      if (goneSinceMs === undefined || uptimeMs() - goneSinceMs >= GONE_MS) return;
      throw new OperatorError(
        'OWNER_GONE',
        `the ClusterRole ${ownerName} of the install has just gone: nothing is made anew for a minute, as the install may be being deleted`,
      );
    },
  };
}

/** Whether it is ours to give, and not given yet; or was given, and is not ours alone any more. */
export function judgeOwner(seen: OwnObject, owner: OwnerReference): 'give' | 'takeBack' | 'leave' {
  const isGiven = seen.owners.some(({ uid }) => uid === owner.uid);
  if (isGiven) return isShared(seen) ? 'takeBack' : 'leave';
  return seen.isOurs && !isShared(seen) ? 'give' : 'leave';
}

const NOT_OWNED = 'what the daemon makes will stay when its install is deleted';
const NEXT = 'terraform-daemon uninstall removes it; --owner-cluster-role names the ClusterRole of the install';
const UNINSTALL = 'before the install is deleted, terraform-daemon uninstall takes our entry out and leaves theirs';
const TAKEN_OUT = 'somebody has taken the owner out, so that the object will stay when the install is deleted';

export interface GuardedStores {
  readonly secrets: SecretStore;
  readonly registrations: RegistrationStore;
  readonly lease: LeaseStore;
}

/**
 * The stores of what the daemon makes. What is made is given to its owner at once, so that little is left behind where the
 * process ends just then; and nothing is made anew while the install is being deleted.
 */
export function guarded(
  { secrets, registrations, lease }: GuardedStores,
  { adopt, refuseIfGone }: Pick<Ownership, 'adopt' | 'refuseIfGone'>,
): GuardedStores {
  async function make<Made>(create: () => Promise<Made>): Promise<Made> {
    await refuseIfGone();
    const made = await create();
    // A courtesy must not keep a replica from being ready.
    if (made !== false) await Promise.race([adopt(), delay(MOST_WAIT_MS, undefined, { ref: false })]);
    return made;
  }
  return {
    secrets: { ...secrets, create: (content) => make(() => secrets.create(content)) },
    registrations: {
      ...registrations,
      apply: (desired) => {
        const apply = () => registrations.apply(desired);
        return desired.metadata?.resourceVersion === undefined ? make(apply) : apply();
      },
    },
    lease: { ...lease, create: (holder, now) => make(() => lease.create(holder, now)) },
  };
}
