import { watch } from 'node:fs';

/** Why a pass begins. */
export type Trigger =
  | 'resync'
  | 'secret-changed'
  | 'registration-changed'
  | 'files-changed'
  | 'policy-changed'
  | 'lease-changed';

/** The reasons for passes, as they come; reasons that come during a pass are merged. */
export interface Triggers extends AsyncIterable<readonly Trigger[]> {
  wake(reason: Trigger): void;
  /** Sets when the next resync comes, from now; a later call replaces an earlier one. */
  resyncIn(ms: number): void;
}

/** Ends when the signal is aborted; what was pending then is not worked on any more. */
export function createTriggers(signal: AbortSignal): Triggers {
  const pending = new Set<Trigger>();
  let notify = () => {};
  let timer: NodeJS.Timeout | undefined;
  const wake = (reason: Trigger) => {
    pending.add(reason);
    notify();
  };
  signal.addEventListener('abort', () => {
    clearTimeout(timer);
    notify();
  });
  return {
    wake,
    resyncIn(ms) {
      clearTimeout(timer);
      if (!signal.aborted) timer = setTimeout(() => wake('resync'), ms);
    },
    async *[Symbol.asyncIterator]() {
      while (!signal.aborted) {
        if (pending.size === 0) await new Promise<void>((resolve) => (notify = resolve));
        if (signal.aborted || pending.size === 0) continue;
        const reasons = [...pending];
        pending.clear();
        yield reasons;
      }
    },
  };
}

/** Three files that are copied one after the other are one change. */
const GATHER_MS = 200;

/** Calls `changed` soon after something in the folder does, on file systems that report that; ends with the signal. */
export function watchFolder(directory: string, changed: () => void, signal: AbortSignal): void {
  if (signal.aborted) return;
  let timer: NodeJS.Timeout | undefined;
  const gather = () => {
    timer ??= setTimeout(() => {
      timer = undefined;
      changed();
    }, GATHER_MS);
  };
  signal.addEventListener('abort', () => clearTimeout(timer));
  try {
    // A folder that goes away is told, and one that takes its place is not watched: the resync finds what is in there.
    watch(directory, { signal }, gather).on('error', gather);
  } catch {
    gather();
  }
}
