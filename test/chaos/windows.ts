import type { Span } from '../support/chaos/admission-outcomes.ts';

/** The kind of a fault that lasts for some time. */
export type Trouble = 'replica-down' | 'replica-frozen' | 'api-server' | 'etcd' | 'trust-cut' | 'link';

/** The time during which one fault affects one replica or API server. `target` is its number, from 0. */
export interface Window {
  readonly trouble: Trouble;
  readonly target: number;
  readonly from: Date;
  /** The end of the fault; `undefined` while it lasts. */
  readonly to: Date | undefined;
}

export interface WindowLog {
  all(): readonly Window[];
  /** Records the start of a fault. Returns a function that records its end. */
  open(trouble: Trouble, target: number): () => void;
}

export function createWindowLog(): WindowLog {
  const windows: Window[] = [];
  return {
    all: () => [...windows],
    open(trouble, target) {
      const index = windows.push({ trouble, target, from: new Date(), to: undefined }) - 1;
      return () => {
        const window = windows[index];
        if (window && window.to === undefined) windows[index] = { ...window, to: new Date() };
      };
    },
  };
}

/** Returns whether the window and the span overlap. */
export const overlaps = (window: Window, { from, to }: Span): boolean =>
  window.from <= to && (window.to === undefined || window.to >= from);

/**
 * Returns the first moment within the span at which at least `count` different targets have a fault in progress;
 * `undefined` if there is no such moment.
 */
export function allAtOnce(windows: readonly Window[], count: number, span: Span): Date | undefined {
  const relevant = windows.filter((window) => overlaps(window, span));
  const moments = [span.from, ...relevant.map(({ from }) => from)].filter((at) => at >= span.from && at <= span.to);
  return moments.find((at) => {
    const hit = relevant.filter((window) => overlaps(window, { from: at, to: at })).map(({ target }) => target);
    return new Set(hit).size >= count;
  });
}
