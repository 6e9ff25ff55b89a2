const DAY_MS = 86_400_000;
const YEAR_MS = 365.25 * DAY_MS;

/** The marks that an axis can have. */
const marks = [
  { name: '1 hour', ms: DAY_MS / 24 },
  { name: '6 hours', ms: DAY_MS / 4 },
  { name: '1 day', ms: DAY_MS },
  { name: '1 week', ms: 7 * DAY_MS },
  { name: '1 month', ms: YEAR_MS / 12 },
  { name: '3 months', ms: YEAR_MS / 4 },
  { name: '1 year', ms: YEAR_MS },
  { name: '3 years', ms: 3 * YEAR_MS },
  { name: '10 years', ms: 10 * YEAR_MS },
  { name: '30 years', ms: 30 * YEAR_MS },
  { name: '100 years', ms: 100 * YEAR_MS },
] as const;

/** Distance between two marks in percent of the axis: room for a label on a phone. */
const NEXT_MARK = 14;
/** Distance of the last mark from the end in percent: room for the half of its label. */
const END = 6;

export interface TimeAxis {
  /** Returns the position of a time from now, in percent of the axis. */
  readonly position: (fromNowMs: number) => number;
  readonly ticks: readonly { readonly name: string; readonly position: number }[];
}

/**
 * Returns an axis from now to the latest of the times. It is logarithmic, so that a certificate of days and an authority
 * of years are both readable on it.
 */
export function timeAxis(fromNowMs: readonly number[]): TimeAxis {
  const endMs = Math.max(DAY_MS, ...fromNowMs);
  const firstMs = endMs > 30 * DAY_MS ? DAY_MS : DAY_MS / 24;
  const position = (ms: number): number => {
    const share = Math.log1p(Math.max(0, ms) / firstMs) / Math.log1p(endMs / firstMs);
    return Math.round(Math.min(1, share) * 1000) / 10;
  };
  const ticks: { name: string; position: number }[] = [];
  for (const { name, ms } of marks) {
    const at = position(ms);
    if (at - (ticks.at(-1)?.position ?? 0) >= NEXT_MARK && ms < endMs && at <= 100 - END)
      ticks.push({ name, position: at });
  }
  return { position, ticks };
}
