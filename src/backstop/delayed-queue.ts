/** Tasks that wait for their time, one for each key. */
export interface Later {
  /** A task of this key that still waits is replaced. Answers `false` when as many wait as may: the task is not taken. */
  add(key: string, afterMs: number, task: () => void): boolean;
  /** A task of this key that still waits is not begun any more. */
  drop(key: string): void;
}

/** @param signal once it is aborted, nothing is begun any more. */
export function createLater(most: number, signal: AbortSignal): Later {
  const waiting = new Map<string, NodeJS.Timeout>();
  signal.addEventListener('abort', () => {
    for (const timer of waiting.values()) clearTimeout(timer);
    waiting.clear();
  });
  function drop(key: string): void {
    clearTimeout(waiting.get(key));
    waiting.delete(key);
  }
  return {
    drop,
    add(key, afterMs, task) {
      drop(key);
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
