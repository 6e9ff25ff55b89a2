import { type FSWatcher, watch } from 'node:fs';

/** Why the reconcile loop woke up. */
export type WakeUp = 'resync' | 'files-changed';

/**
 * The reasons to reconcile, as they come. Those that come while the last one is worked on are merged. Ends when the
 * signal is aborted.
 *
 * @param directory a folder whose changes are a reason; a file system that does not report them is covered by the resync.
 */
export async function* wakeUps(
  { resyncMs, directory }: { readonly resyncMs: number; readonly directory: string | undefined },
  signal: AbortSignal,
): AsyncGenerator<readonly WakeUp[], void> {
  const pending = new Set<WakeUp>();
  let notify = () => {};
  const wake = (reason: WakeUp) => {
    pending.add(reason);
    notify();
  };
  const end = () => notify();
  const timer = setInterval(() => wake('resync'), resyncMs);
  const watcher = directory === undefined ? undefined : watchFolder(directory, () => wake('files-changed'));
  signal.addEventListener('abort', end);
  try {
    while (!signal.aborted) {
      if (pending.size === 0) await new Promise<void>((resolve) => (notify = resolve));
      if (pending.size === 0) continue;
      const reasons = [...pending];
      pending.clear();
      yield reasons;
    }
  } finally {
    clearInterval(timer);
    watcher?.close();
    signal.removeEventListener('abort', end);
  }
}

function watchFolder(directory: string, changed: () => void): FSWatcher | undefined {
  try {
    // A folder that goes away ends its watch with an error: the resync tells what is missing.
    return watch(directory, changed).on('error', changed);
  } catch {
    changed();
    return undefined;
  }
}
