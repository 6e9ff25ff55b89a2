import { watch } from 'node:fs';

/** The reason for a pass, as the log shows it. */
export type Trigger =
  | 'resync'
  | 'secret-changed'
  | 'registration-changed'
  | 'files-changed'
  | 'policy-changed'
  | 'lease-changed';

/** Yields the triggers for each pass. Triggers that arrive during a pass are merged and start one further pass. */
export interface Triggers extends AsyncIterable<readonly Trigger[]> {
  wake(reason: Trigger): void;
  /** Triggers a resync after `ms`. Replaces the timer of an earlier call. */
  resyncIn(ms: number): void;
}

/** Returns triggers that end when the signal is aborted; pending triggers are then dropped. */
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

/** Changes of files within this time are reported as one change. */
const GATHER_MS = 200;

/** Calls `changed` after a change in the folder, if the file system reports changes, until the signal is aborted. */
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
    // A deleted folder is reported once. A folder created in its place is not watched: the next resync reads it.
    watch(directory, { signal }, gather).on('error', gather);
  } catch {
    gather();
  }
}
