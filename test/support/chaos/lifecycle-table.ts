import { type AdmissionRequest, countOutcomes, mutatedAgain, type Span, splitAtKill } from './admission-outcomes.ts';

/** What the Jobs of a stream met while something was done to the daemon. */
export interface LifecycleRow {
  readonly scenario: string;
  readonly sent: number;
  readonly lost: number;
  readonly unmutated: number;
  /** Failed requests that died with a killed process; `lost` and `unmutated` are without them. */
  readonly inFlightAtKill: number;
  readonly healedMs: number;
}

const columns = ['scenario', 'sent', 'lost', 'unmutated', 'inFlightAtKill', 'healedMs'] as const;

export interface Scenario {
  readonly scenario: string;
  readonly requests: readonly AdmissionRequest[];
  /** When that which is to heal was done. */
  readonly since: Date;
  /** When calls may have ended with what was killed. */
  readonly kills?: readonly Span[];
}

/** Counts each failed request once. */
export function lifecycleRow({ scenario, requests, since, kills = [] }: Scenario): LifecycleRow {
  const { inFlightAtKill, others } = splitAtKill(requests, kills);
  const { lost, unmutated } = countOutcomes(others);
  const healedMs = mutatedAgain(requests, since);
  return { scenario, sent: requests.length, lost, unmutated, inFlightAtKill: inFlightAtKill.length, healedMs };
}

/** Aligned text with a head line: names to the left, numbers to the right. */
export function lifecycleTable(rows: readonly LifecycleRow[]): string {
  const cells = [[...columns], ...rows.map((row) => columns.map((column) => cell(row[column])))];
  const widths = columns.map((_, index) => Math.max(...cells.map((line) => line[index]?.length ?? 0)));
  const align = (text: string, index: number) =>
    index === 0 ? text.padEnd(widths[index] ?? 0) : text.padStart(widths[index] ?? 0);
  return cells.map((line) => `${line.map(align).join('  ')}\n`).join('');
}

const cell = (value: string | number): string => (value === Number.POSITIVE_INFINITY ? 'never' : String(value));

/** Rows of several tests, and an `after` hook that prints them all: nothing where there is none. */
export function collectLifecycles() {
  const rows: LifecycleRow[] = [];
  return {
    add(row: LifecycleRow): LifecycleRow {
      rows.push(row);
      return row;
    },
    print(): void {
      if (rows.length > 0) process.stdout.write(`\n${lifecycleTable(rows)}\n`);
    },
  };
}
