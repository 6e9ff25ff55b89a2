import { type AdmissionRequest, countOutcomes } from '../support/chaos/admission-outcomes.ts';
import type { FailedOpen } from '../support/cluster/failed-open.ts';
import type { HoldingsLog } from './holdings-log.ts';
import { ableSince, type Excuse, excuseOf, type Scene, wasHurtBefore } from './judgement.ts';
import { markdownTable } from './markdown-table.ts';
import type { MissedJob } from './missed-jobs.ts';
import type { Repair } from './stage.ts';

/** The measurements of a chaos run. */
export interface Findings {
  readonly requests: readonly AdmissionRequest[];
  readonly scene: Scene;
  /** Failed webhook calls, one list for each API server. */
  readonly failedOpen: readonly (readonly FailedOpen[])[];
  readonly missed: ReadonlyMap<string, MissedJob>;
  readonly repairs: readonly Repair[];
  readonly holdings: HoldingsLog;
  /** Unexpected ends of processes and other violations, one text each. */
  readonly faults: readonly string[];
}

export interface Report {
  /** The results as Markdown tables. */
  readonly text: string;
  /** A line for each guarantee that did not hold. */
  readonly broken: readonly string[];
}

/** Maximum time until an uncapped Job is capped, from the moment a replica can do it. */
const HEAL_MS = 5_000;
/** After a crash of the holder of the Lease, another replica takes over within 15 s. */
const TAKE_OVER_MS = 15_000;
const REPAIR_MS = 5_000;
/**
 * Half of the memory limit in `manifests/base/deployment.yaml`. The other half is reserved for hostile request bodies.
 */
const RSS_MIB = 256;
const HANDLES = 256;

const EXCUSES: readonly Excuse[] = [
  'broken',
  'inside of a killed process',
  'inside of a frozen replica',
  'no replica lived',
  'trust was cut',
  'API server or etcd away',
];

export function reportOf(findings: Findings): Report {
  const { requests, scene, holdings, faults } = findings;
  const sorted = Map.groupBy(requests, (request) => excuseOf(request, scene));
  const rows = EXCUSES.map((excuse) => {
    const { sent, lost, unmutated } = countOutcomes(sorted.get(excuse) ?? []);
    return [excuse === 'broken' ? '**a replica lived, and trust was intact**' : excuse, sent, lost, unmutated];
  });
  const heals = healsOf(findings);
  const repairs = repairsOf(findings);
  const peak = (of: (one: { rssMiB: number; handles: number }) => number) =>
    Math.round(Math.max(0, ...[...holdings.values()].flat().map(of)));
  const [rss, handles] = [peak(({ rssMiB }) => rssMiB), peak(({ handles }) => handles)];
  const failures = (sorted.get('broken') ?? []).filter(({ outcome }) => outcome !== 'mutated');
  const broken = [
    ...faults,
    ...failures.map((request) => describeFailure(request, findings)),
    ...heals.broken,
    ...repairs.broken,
    ...(rss > RSS_MIB ? [`RSS reached ${rss} MiB, more than the ${RSS_MIB} MiB that a Pod may have`] : []),
    ...(handles > HANDLES ? [`a replica held ${handles} handles, more than ${HANDLES}`] : []),
  ];
  const text = [
    markdownTable(['while', 'requests', 'lost', 'unmutated'], rows),
    markdownTable(
      ['stored uncapped', 'capped afterwards', 'longest, s', 'of them while the Lease changed hands', 'longest, s'],
      [heals.cells],
    ),
    markdownTable(['damage to the registration', 'repaired', 'longest, s'], [repairs.cells]),
    markdownTable(
      ['longest gap without a capped Job, s', 'processes', 'peak RSS, MiB', 'peak handles', 'growth of the oldest'],
      [[seconds(countOutcomes(requests).longestGapMs), holdings.size, rss, handles, growthOfOldest(holdings)]],
    ),
  ].join('\n');
  return { text, broken };
}

const seconds = (ms: number): string => (ms / 1_000).toFixed(1);

function describeFailure(request: AdmissionRequest, { failedOpen }: Pick<Findings, 'failedOpen'>): string {
  const { outcome, detail, sentAt, answeredAt, via, name } = request;
  const reasons = (failedOpen[via] ?? []).filter(({ at }) => at >= sentAt && at <= answeredAt);
  const span = `${sentAt.toISOString()} to ${answeredAt.toISOString()}`;
  const told = reasons.map(({ reason }) => `\n  the API server: ${reason}`).join('');
  return `${outcome} via API server ${via}, ${span}, ${name}: ${detail.slice(0, 200)}${told}`;
}

function healsOf({ missed, scene, requests }: Findings) {
  const answeredAt = new Map(requests.map(({ name, answeredAt }) => [name, answeredAt]));
  const broken: string[] = [];
  let [longest, longestTakenOver, takenOver, capped] = [0, 0, 0, 0];
  for (const { name, storedAt, cappedAt } of missed.values()) {
    if (cappedAt === undefined) {
      broken.push(`${name}, stored at ${storedAt.toISOString()}, was never capped`);
      continue;
    }
    capped += 1;
    // The time to cap counts from the response to the client. It counts from the storage time if the response came
    // after the cap, or never came because the connection was cut.
    const from = answeredAt.get(name) ?? storedAt;
    const since = ableSince(scene, { from: from > cappedAt ? storedAt : from, to: cappedAt });
    const tookMs = cappedAt.getTime() - since.getTime();
    const isTakenOver = tookMs > HEAL_MS && wasHurtBefore(scene, since, TAKE_OVER_MS);
    if (isTakenOver) {
      takenOver += 1;
      longestTakenOver = Math.max(longestTakenOver, tookMs);
    } else longest = Math.max(longest, tookMs);
    const allowedMs = isTakenOver ? HEAL_MS + TAKE_OVER_MS : HEAL_MS;
    if (tookMs > allowedMs) {
      broken.push(
        `${name} was capped only at ${cappedAt.toISOString()}, ${seconds(tookMs)} s after it could have been`,
      );
    }
  }
  return { broken, cells: [missed.size, capped, seconds(longest), takenOver, seconds(longestTakenOver)] };
}

function repairsOf({ repairs, scene }: Findings) {
  const times = repairs.map(({ damage, inflictedAt, repairedAt }) => {
    const to = repairedAt ?? new Date();
    const since = ableSince(scene, { from: inflictedAt, to });
    return { damage, repairedAt, tookMs: to.getTime() - since.getTime(), inflictedAt };
  });
  const late = times.filter(({ repairedAt, tookMs }) => repairedAt === undefined || tookMs > REPAIR_MS);
  return {
    broken: late.map(
      ({ damage, inflictedAt, tookMs }) =>
        `${damage}, at ${inflictedAt.toISOString()}, was repaired ${seconds(tookMs)} s after it could have been`,
    ),
    cells: [
      repairs.length,
      repairs.filter(({ repairedAt }) => repairedAt !== undefined).length,
      seconds(Math.max(0, ...times.map(({ tookMs }) => tookMs))),
    ],
  };
}

/**
 * Returns as text how much the longest-lived process grew, from the median of the first third of its samples to the
 * median of the last third.
 */
function growthOfOldest(holdings: HoldingsLog): string {
  const [oldest = []] = [...holdings.values()].sort((a, b) => b.length - a.length);
  const third = Math.ceil(oldest.length / 3);
  const median = (values: readonly number[]) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
  const grown = (of: (one: (typeof oldest)[number]) => number) =>
    Math.round(median(oldest.slice(-third).map(of)) - median(oldest.slice(0, third).map(of)));
  const signed = (n: number) => (n > 0 ? `+${n}` : String(n));
  return `${signed(grown(({ rssMiB }) => rssMiB))} MiB, ${signed(grown(({ handles }) => handles))} handles in ${oldest.length * 2} s`;
}
