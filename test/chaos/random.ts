/** Random choices. The same seed gives the same choices. */
export interface Random {
  /** Returns a number from `low` (included) to `high` (excluded). */
  between(low: number, high: number): number;
  pick<T>(values: readonly T[]): T;
  /** Returns a function that draws each value once in random order and then starts again with all values. */
  bag<T>(values: readonly T[]): () => T;
}

/** The generator mulberry32 by Tommy Ettinger (public domain), because its numbers depend only on the seed. */
export function randomOf(seed: number): Random {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const pick = <T>(values: readonly T[]): T => values[Math.floor(next() * values.length)] as T;
  return {
    between: (low, high) => low + next() * (high - low),
    pick,
    bag<T>(values: readonly T[]) {
      let left: T[] = [];
      return () => {
        if (left.length === 0) left = [...values];
        return left.splice(Math.floor(next() * left.length), 1)[0] as T;
      };
    },
  };
}
