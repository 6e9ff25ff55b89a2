/** Runs tasks a few at a time, in the order in which they came. */
export interface WorkQueue {
  /** Answers `false` when as many are waiting as may: the task is not taken. */
  add(task: () => Promise<void>): boolean;
  /** Resolves when nothing is running and nothing is waiting. */
  idle(): Promise<void>;
}

/** @param signal once it is aborted, what waits is not begun any more. */
export function createWorkQueue(
  { concurrency, most }: { readonly concurrency: number; readonly most: number },
  signal: AbortSignal,
): WorkQueue {
  const waiting: (() => Promise<void>)[] = [];
  let running = 0;
  let idle = Promise.withResolvers<void>();
  idle.resolve();

  function begin(): void {
    while (running < concurrency && !signal.aborted) {
      const task = waiting.shift();
      if (task === undefined) break;
      running += 1;
      void task().finally(ended);
    }
    if (signal.aborted) waiting.length = 0;
    if (running === 0 && waiting.length === 0) idle.resolve();
  }
  function ended(): void {
    running -= 1;
    begin();
  }
  signal.addEventListener('abort', begin);
  return {
    add(task) {
      if (signal.aborted || waiting.length >= most) return false;
      if (running === 0 && waiting.length === 0) idle = Promise.withResolvers<void>();
      waiting.push(task);
      begin();
      return true;
    },
    idle: () => idle.promise,
  };
}
