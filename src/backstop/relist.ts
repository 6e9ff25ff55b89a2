import { doubledMs } from '../lib/backoff.ts';

/** A list of all Jobs and the watches after it. It ends with its signal: all Jobs are looked at again then. */
export interface Round {
  readonly signal: AbortSignal;
  /** All Jobs were seen. Only from now on a pause is measured, else the later pages of a long list were never reached. */
  listed(): void;
  /** Something was seen for which there was no place. Ends the round after a while. */
  incomplete(): void;
  /** Ends it now. */
  end(): void;
}

/** How long what could not be done waits until it is tried again. */
export const AGAIN = { firstMs: 5_000, longestMs: 3 * 60_000 };

/** Starts one round after the other. Where each is incomplete, each lasts longer than the one before. */
export function createRounds(stop: AbortSignal): () => Round {
  let incompleteInARow = 0;
  return () => {
    const over = new AbortController();
    const signal = AbortSignal.any([stop, over.signal]);
    let timer: NodeJS.Timeout | undefined;
    let [isListed, isIncomplete] = [false, false];
    const endLater = () => {
      const afterMs = doubledMs(incompleteInARow, AGAIN);
      if (isListed && isIncomplete && !signal.aborted) timer ??= setTimeout(() => over.abort(), afterMs).unref();
    };
    signal.addEventListener('abort', () => clearTimeout(timer));
    return {
      signal,
      listed() {
        // The list begins anew where the API server has forgotten what a watch was to go on from.
        isListed = true;
        if (!isIncomplete) incompleteInARow = 0;
        endLater();
      },
      incomplete() {
        if (!isIncomplete) incompleteInARow += 1;
        isIncomplete = true;
        endLater();
      },
      end: () => over.abort(),
    };
  };
}
