/** One measurement. */
export interface Sample {
  readonly atMs: number;
  readonly value: number;
}

/** What a straight line through samples says of their growth. */
export interface Trend {
  readonly mean: number;
  readonly growthPerHour: number;
  /** Two standard deviations of the samples from the line: what comes and goes without any growth. */
  readonly noise: number;
  readonly isGrowing: boolean;
}

const HOUR_MS = 3_600_000;

/**
 * Fits a line (least squares) through the last two thirds of the samples: the first third is for warming up. It grows
 * where an hour adds more than the noise.
 *
 * @param floor noise is never taken for less: a value that does not vary at all would make a growth of any single step.
 */
export function trendOf(samples: readonly Sample[], floor: number): Trend {
  const late = samples.slice(Math.floor(samples.length / 3));
  const n = Math.max(late.length, 1);
  const meanAt = late.reduce((sum, { atMs }) => sum + atMs, 0) / n;
  const mean = late.reduce((sum, { value }) => sum + value, 0) / n;
  const varianceAt = late.reduce((sum, { atMs }) => sum + (atMs - meanAt) ** 2, 0);
  const covariance = late.reduce((sum, { atMs, value }) => sum + (atMs - meanAt) * (value - mean), 0);
  const slope = varianceAt === 0 ? 0 : covariance / varianceAt;
  const residuals = late.map(({ atMs, value }) => value - mean - slope * (atMs - meanAt));
  const deviation = Math.sqrt(residuals.reduce((sum, residual) => sum + residual ** 2, 0) / n);
  const noise = Math.max(2 * deviation, floor);
  const growthPerHour = slope * HOUR_MS;
  return { mean, growthPerHour, noise, isGrowing: growthPerHour > noise };
}
