/** Tasks that wait for their time, one for each key. */
export interface Later {
  /** A task of this key that still waits is replaced. Answers `false` when as many wait as may: the task is not taken. */
  add(key: string, afterMs: number, task: () => void): boolean;
}

/** @param signal once it is aborted, nothing is begun any more. */
export function createLater(most: number, signal: AbortSignal): Later {
  const waiting = new Map<string, NodeJS.Timeout>();
  signal.addEventListener('abort', () => {
    for (const timer of waiting.values()) clearTimeout(timer);
    waiting.clear();
  });
  return {
    add(key, afterMs, task) {
      clearTimeout(waiting.get(key));
      waiting.delete(key);
      if (signal.aborted || waiting.size >= most) return false;
      const begin = () => {
        waiting.delete(key);
        task();
      };
      waiting.set(key, setTimeout(begin, afterMs).unref());
      return true;
    },
  };
}
