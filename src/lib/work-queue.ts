/**
 * Runs tasks a few at a time. Those of one lane begin in the order in which they came; lanes take turns, so that one whose
 * tasks hang or are many does not hold up the others.
 */
export interface WorkQueue {
  /** Answers `false` when as many are waiting as may: the task is not taken. */
  add(lane: string, task: () => Promise<void>): boolean;
  /** Resolves when nothing is running and nothing is waiting. */
  idle(): Promise<void>;
}

/** @param signal once it is aborted, what waits is not begun any more. */
export function createWorkQueue(
  { concurrency, most }: { readonly concurrency: number; readonly most: number },
  signal: AbortSignal,
): WorkQueue {
  /** None is empty; the one whose turn it is comes first. */
  const lanes = new Map<string, (() => Promise<void>)[]>();
  let [waiting, running] = [0, 0];
  let idle = Promise.withResolvers<void>();
  idle.resolve();

  function take(): (() => Promise<void>) | undefined {
    for (const [lane, tasks] of lanes) {
      const task = tasks.shift();
      lanes.delete(lane);
      if (tasks.length > 0) lanes.set(lane, tasks);
      waiting -= 1;
      return task;
    }
    return undefined;
  }
  function begin(): void {
    if (signal.aborted) {
      lanes.clear();
      waiting = 0;
    }
    while (running < concurrency) {
      const task = take();
      if (task === undefined) break;
      running += 1;
      void task().finally(ended);
    }
    if (running === 0 && waiting === 0) idle.resolve();
  }
  function ended(): void {
    running -= 1;
    begin();
  }
  signal.addEventListener('abort', begin);
  return {
    add(lane, task) {
      if (signal.aborted || waiting >= most) return false;
      if (running === 0 && waiting === 0) idle = Promise.withResolvers<void>();
      const tasks = lanes.get(lane) ?? [];
      tasks.push(task);
      lanes.set(lane, tasks);
      waiting += 1;
      begin();
      return true;
    },
    idle: () => idle.promise,
  };
}
