/** Random choices that a seed brings about again. */
export interface Random {
  /** At least `low`, below `high`. */
  between(low: number, high: number): number;
  pick<T>(values: readonly T[]): T;
  /** A bag that gives each of its values once in random order, and is filled again when it is empty. */
  bag<T>(values: readonly T[]): () => T;
}

/** mulberry32, by Tommy Ettinger (public domain): small, and the same everywhere. */
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
