import { createWorkQueue } from '../lib/work-queue.ts';

export interface RetryQueueOptions<Item> {
  /** How many items are worked on at once. */
  readonly concurrency: number;
  /** How many items may wait for their turn, and how many more for their next try. */
  readonly most: number;
  /** Works on an item. Resolves with its next try, or `undefined` when none is needed. Must not reject. */
  run(item: Item): Promise<NextTry<Item> | undefined>;
  /** Called when the queue is full and has dropped an item. */
  onOverflow(item: Item): void;
}

export interface NextTry<Item> {
  readonly item: Item;
  readonly afterMs: number;
}

/** Items that are worked on a few at a time, one item for each key. The lanes take turns, see `WorkQueue`. */
export interface RetryQueue<Item> {
  /** Replaces the item with this key. */
  add(key: string, lane: string, item: Item): void;
  get(key: string): Item | undefined;
  remove(key: string): void;
  /** Resolves when no item is worked on or waits for its turn. Items that wait for their next try do not count. */
  idle(): Promise<void>;
}

interface Entry<Item> {
  readonly key: string;
  readonly lane: string;
  readonly item: Item;
}

/** @param signal once it is aborted, no further item is worked on. */
export function createRetryQueue<Item>(options: RetryQueueOptions<Item>, signal: AbortSignal): RetryQueue<Item> {
  const turns = createWorkQueue(options, signal);
  const entries = new Map<string, Entry<Item>>();
  const timers = new Map<string, NodeJS.Timeout>();
  signal.addEventListener('abort', () => {
    for (const key of timers.keys()) remove(key);
  });

  function remove(key: string): void {
    entries.delete(key);
    clearTimeout(timers.get(key));
    timers.delete(key);
  }
  function drop({ key, item }: Entry<Item>): void {
    remove(key);
    if (!signal.aborted) options.onOverflow(item);
  }
  const isCurrent = (entry: Entry<Item>) => entries.get(entry.key) === entry;

  async function run(entry: Entry<Item>): Promise<void> {
    if (!isCurrent(entry)) return;
    const next = await options.run(entry.item);
    // An item that was added meanwhile replaces this one.
    if (!isCurrent(entry)) return;
    if (next === undefined || signal.aborted) return remove(entry.key);
    if (timers.size >= options.most) return drop(entry);
    const again = { ...entry, item: next.item };
    entries.set(entry.key, again);
    timers.set(entry.key, setTimeout(queue, next.afterMs, again).unref());
  }
  function queue(entry: Entry<Item>): void {
    timers.delete(entry.key);
    if (!turns.add(entry.lane, () => run(entry))) drop(entry);
  }
  return {
    add(key, lane, item) {
      remove(key);
      const entry = { key, lane, item };
      entries.set(key, entry);
      queue(entry);
    },
    get: (key) => entries.get(key)?.item,
    remove,
    idle: turns.idle,
  };
}
