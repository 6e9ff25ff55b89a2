import type { Span } from '../support/chaos/admission-outcomes.ts';

/** What was wrong for a while. */
export type Trouble = 'replica-down' | 'replica-frozen' | 'api-server' | 'etcd' | 'trust-cut' | 'link';

/** A stretch of time in which something was wrong with one replica or API server, numbered from 0. */
export interface Window {
  readonly trouble: Trouble;
  readonly target: number;
  readonly from: Date;
  /** Absent while it lasts. */
  readonly to: Date | undefined;
}

export interface WindowLog {
  all(): readonly Window[];
  /** Opens a window and answers what closes it. */
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

/** Whether the two have a moment in common. */
export const overlaps = (window: Window, { from, to }: Span): boolean =>
  window.from <= to && (window.to === undefined || window.to >= from);

/** The first moment, within the span, at which each of so many targets is in a window; `undefined` where none is. */
export function allAtOnce(windows: readonly Window[], count: number, span: Span): Date | undefined {
  const relevant = windows.filter((window) => overlaps(window, span));
  const moments = [span.from, ...relevant.map(({ from }) => from)].filter((at) => at >= span.from && at <= span.to);
  return moments.find((at) => {
    const hit = relevant.filter((window) => overlaps(window, { from: at, to: at })).map(({ target }) => target);
    return new Set(hit).size >= count;
  });
}
