const BAR = 20;

/**
 * Shortens a SHA-256 fingerprint to its first four and last four bytes, which are enough to compare two fingerprints.
 */
export const shortFingerprint = (sha256: string): string =>
  sha256.length > 30 ? `${sha256.slice(0, 11)}…${sha256.slice(-11)}` : sha256;

/** Returns the common name of a subject, or the whole subject if it has none. */
export const commonName = (subject: string): string => /(?:^|, )(CN=[^,]*)/.exec(subject)?.[1] ?? subject;

/** Formats a date in UTC, to the second. */
export const date = (moment: Date | undefined): string =>
  moment === undefined ? 'unknown' : `${moment.toISOString().slice(0, 19).replace('T', ' ')}Z`;

const SECONDS = { name: 'seconds', ms: 1000 };
const units = [
  { name: 'days', ms: 86_400_000 },
  { name: 'hours', ms: 3_600_000 },
  { name: 'minutes', ms: 60_000 },
];

/** Returns the largest unit that fits at least twice into the duration, or seconds if none does. */
const unitFor = (ms: number) => units.find((unit) => ms >= 2 * unit.ms) ?? SECONDS;

/** Formats the remaining part of a lifetime: `[#############-------] 61 of 90 days`. */
export function bar(leftMs: number, wholeMs: number): string {
  const unit = unitFor(wholeMs);
  const share = wholeMs > 0 ? Math.min(1, leftMs / wholeMs) : 0;
  const filled = leftMs > 0 ? Math.max(1, Math.round(BAR * share)) : 0;
  // Only whole units are left, as in `durationText`, so that the text and the page of inspect have the same number.
  const left = Math.trunc(leftMs / unit.ms);
  const whole = Math.round(wholeMs / unit.ms);
  return `[${'#'.repeat(filled)}${'-'.repeat(BAR - filled)}] ${left} of ${whole} ${unit.name}`;
}

/** Formats a duration: `31 days`, `90 seconds`. */
export function durationText(ms: number): string {
  const unit = unitFor(ms);
  return `${Math.floor(ms / unit.ms)} ${unit.name}`;
}

/** Formats a date relative to now: `in 31 days`, `90 seconds ago`. */
export function relativeTime(moment: Date, now: Date): string {
  const text = durationText(Math.abs(moment.getTime() - now.getTime()));
  return moment >= now ? `in ${text}` : `${text} ago`;
}
