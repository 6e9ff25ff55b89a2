/** One measurement. */
export interface Sample {
  readonly atMs: number;
  readonly value: number;
}

/** The growth of samples, from a straight line through them. */
export interface Trend {
  readonly mean: number;
  readonly growthPerHour: number;
  /** Two standard deviations of the samples from the line: the fluctuation that is not growth. */
  readonly noise: number;
  readonly isGrowing: boolean;
}

const HOUR_MS = 3_600_000;

/**
 * Fits a line (least squares) through the last two thirds of the samples. The first third is the warm-up. The samples
 * grow if the line rises in one hour by more than the noise.
 *
 * @param floor minimum of the noise. Without it, a single step of an otherwise constant value would count as growth.
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
