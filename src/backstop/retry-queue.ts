export interface RetryQueueOptions<Item> {
  /** Maximum number of items that are processed at once. */
  readonly concurrency: number;
  /**
   * Maximum number of items that wait for free capacity. A second limit with the same value applies to the items that
   * wait for the time of their next try.
   */
  readonly most: number;
  /**
   * Processes an item; `tries` is the number of earlier tries. Resolves with the milliseconds until the next try, or
   * `undefined` if no further try is needed. Must not reject.
   */
  run(item: Item, tries: number): Promise<number | undefined>;
  /** Called with an item that the full queue has dropped. */
  onOverflow(item: Item): void;
}

/**
 * A queue with limited concurrency and at most one item for each key.
 *
 * Each item belongs to a lane, for example to the lane of its namespace. The queue takes the first item of each lane in
 * turn, so that a lane with many items does not delay the other lanes.
 */
export interface RetryQueue<Item> {
  /** Adds an item and replaces an item with the same key. */
  add(key: string, lane: string, item: Item): void;
  get(key: string): Item | undefined;
  remove(key: string): void;
  /**
   * Resolves when no item is being processed or waits for processing. Items that wait for their next try do not count.
   */
  idle(): Promise<void>;
}

interface Entry<Item> {
  readonly key: string;
  readonly lane: string;
  readonly item: Item;
  tries: number;
}

/** Returns an empty queue. After `signal` is aborted, the queue processes no further item. */
export function createRetryQueue<Item>(
  { concurrency, most, run, onOverflow }: RetryQueueOptions<Item>,
  signal: AbortSignal,
): RetryQueue<Item> {
  const entries = new Map<string, Entry<Item>>();
  const timers = new Map<string, NodeJS.Timeout>();
  const lanes = createLanes<Entry<Item>>();
  let running = 0;
  let idle = Promise.withResolvers<void>();
  signal.addEventListener('abort', () => {
    for (const timer of timers.values()) clearTimeout(timer);
  });

  function remove(key: string): void {
    entries.delete(key);
    clearTimeout(timers.get(key));
    timers.delete(key);
  }
  function drop({ key, item }: Entry<Item>): void {
    remove(key);
    onOverflow(item);
  }
  /**
   * Returns whether the entry was neither removed nor replaced. An outdated entry stays in its lane, and the queue
   * skips it.
   */
  const isCurrent = (entry: Entry<Item>): boolean => entries.get(entry.key) === entry;

  async function work(entry: Entry<Item>): Promise<void> {
    const afterMs = await run(entry.item, entry.tries);
    if (!isCurrent(entry) || signal.aborted) return;
    entry.tries += 1;
    if (afterMs === undefined) remove(entry.key);
    else if (timers.size < most) timers.set(entry.key, setTimeout(enqueue, afterMs, entry).unref());
    else drop(entry);
  }
  function begin(): void {
    while (running < concurrency && !signal.aborted) {
      const entry = lanes.take();
      if (entry === undefined) break;
      if (!isCurrent(entry)) continue;
      running += 1;
      void work(entry).finally(() => {
        running -= 1;
        begin();
      });
    }
    if (running > 0) return;
    idle.resolve();
    idle = Promise.withResolvers();
  }
  function enqueue(entry: Entry<Item>): void {
    timers.delete(entry.key);
    if (lanes.size() < most) lanes.put(entry.lane, entry);
    else drop(entry);
    begin();
  }
  return {
    add(key, lane, item) {
      remove(key);
      if (signal.aborted) return;
      const entry = { key, lane, item, tries: 0 };
      entries.set(key, entry);
      enqueue(entry);
    },
    get: (key) => entries.get(key)?.item,
    remove,
    idle: () => (running === 0 ? Promise.resolve() : idle.promise),
  };
}

/** Returns lanes that are served round-robin. */
function createLanes<Value>() {
  /** Only lanes with values, by name. The first lane is served next. */
  const lanes = new Map<string, Value[]>();
  let size = 0;
  return {
    size: () => size,
    put(lane: string, value: Value): void {
      size += 1;
      const values = lanes.get(lane);
      if (values) values.push(value);
      else lanes.set(lane, [value]);
    },
    take(): Value | undefined {
      const [next] = lanes;
      if (next === undefined) return undefined;
      const [lane, values] = next;
      size -= 1;
      const value = values.shift();
      lanes.delete(lane);
      if (values.length > 0) lanes.set(lane, values);
      return value;
    },
  };
}
