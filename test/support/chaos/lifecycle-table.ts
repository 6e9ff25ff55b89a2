import { type AdmissionRequest, countOutcomes, mutatedAgain, type Span, splitAtKill } from './admission-outcomes.ts';

/** One row of the lifecycle table: the outcome of a stream of Jobs during one scenario. */
export interface LifecycleRow {
  readonly scenario: string;
  readonly sent: number;
  readonly lost: number;
  readonly unmutated: number;
  /** Failed requests that were in flight during a kill. `lost` and `unmutated` do not include them. */
  readonly inFlightAtKill: number;
  readonly healedMs: number;
}

const columns = ['scenario', 'sent', 'lost', 'unmutated', 'inFlightAtKill', 'healedMs'] as const;

export interface Scenario {
  readonly scenario: string;
  readonly requests: readonly AdmissionRequest[];
  /** The time of the damage. */
  readonly since: Date;
  /** Time spans of kills. */
  readonly kills?: readonly Span[];
}

/** Returns the row of a scenario. Each failed request counts once. */
export function lifecycleRow({ scenario, requests, since, kills = [] }: Scenario): LifecycleRow {
  const { inFlightAtKill, others } = splitAtKill(requests, kills);
  const { lost, unmutated } = countOutcomes(others);
  const healedMs = mutatedAgain(requests, since);
  return { scenario, sent: requests.length, lost, unmutated, inFlightAtKill: inFlightAtKill.length, healedMs };
}

/** Returns the rows as an aligned text table with a header. */
export function lifecycleTable(rows: readonly LifecycleRow[]): string {
  const cells = [[...columns], ...rows.map((row) => columns.map((column) => cell(row[column])))];
  const widths = columns.map((_, index) => Math.max(...cells.map((line) => line[index]?.length ?? 0)));
  const align = (text: string, index: number) =>
    index === 0 ? text.padEnd(widths[index] ?? 0) : text.padStart(widths[index] ?? 0);
  return cells.map((line) => `${line.map(align).join('  ')}\n`).join('');
}

const cell = (value: string | number): string => (value === Number.POSITIVE_INFINITY ? 'never' : String(value));

/** Collects rows of several tests and prints them in an `after` hook. Prints nothing without rows. */
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
