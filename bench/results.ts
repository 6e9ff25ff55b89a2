import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { BodyName } from './bodies.ts';
import type { Spread } from './figures.ts';
import type { Measured } from './load.ts';
import type { ServerName } from './servers.ts';

export const RESULTS = fileURLToPath(new URL('../docs/benchmarks/results.json', import.meta.url));

type BySpread<T> = Readonly<Record<keyof T, Spread>>;
export type ByServer<T> = Readonly<Record<ServerName, T>>;
export type Webhook = Exclude<ServerName, 'floor'>;

/** What each server did under load, and what it took of memory. MiB each. */
export interface EndpointResults {
  readonly connections: number;
  readonly load: Readonly<Record<BodyName, ByServer<BySpread<Measured>>>>;
  readonly memory: ByServer<{
    readonly rest: number;
    /** After the load of recorded reviews. */
    readonly loaded: number;
    /** After the load of Jobs of 1 MiB. */
    readonly large: number;
    readonly peak: number;
  }>;
}

export const ways = ['nothing', 'policy', 'ours', 'go'] as const;
export type Way = (typeof ways)[number];

/** What one create of a Job takes at the API server, in ms. */
export interface ApiResults {
  readonly creates: number;
  readonly total: Readonly<Record<Way, { readonly p50Ms: number; readonly p99Ms: number }>>;
  /** To the create beside it that nothing looks at: the median of the differences. */
  readonly added: Readonly<Record<Exclude<Way, 'nothing'>, number>>;
  /** Plain Jobs that were created, and how many calls of the endpoint that took. */
  readonly plain: { readonly created: number; readonly reached: number };
}

/** From the start of the process to "ready", in ms. */
export interface StartResults {
  readonly fresh: Spread;
  readonly existing: Spread;
  readonly go: Spread;
  readonly floor: Spread;
}

export interface SizeResults {
  readonly bundleBytes: number;
  readonly goBytes: number;
  /** Compiled code of the bundle: with it, the SBOM and the licences, that is what the image adds to its base. */
  readonly compiledBytes: number;
  /** Absent where no image could be built. */
  readonly image?: {
    readonly addedBytes: number;
    /** Packed, on the stand-in for its base that the tests build from Debian's packages. */
    readonly packedBytes: number;
  };
}

export interface CurveResults {
  readonly connections: readonly ({ readonly connections: number } & ByServer<Pick<Measured, 'perSecond' | 'p99Ms'>>)[];
  /** Until ten missed Jobs among so many were capped, from "ready" on. */
  readonly jobs: readonly {
    readonly jobs: number;
    readonly seconds: number;
    readonly cpuSeconds: number;
    readonly peakMib: number;
  }[];
  /** Until the last one was ready. */
  readonly replicas: readonly { readonly replicas: number; readonly readyMs: number }[];
}

/** The parts of a run; each can be measured by itself. */
export interface Parts {
  readonly endpoint: EndpointResults;
  readonly api: ApiResults;
  readonly starts: StartResults;
  readonly sizes: SizeResults;
  readonly connections: CurveResults['connections'];
  readonly jobs: CurveResults['jobs'];
  readonly replicas: CurveResults['replicas'];
}
export const partNames = ['endpoint', 'api', 'starts', 'sizes', 'connections', 'jobs', 'replicas'] as const;
export type PartName = (typeof partNames)[number];

export type Results = Partial<Parts> & {
  /** What it was measured on. */
  readonly machine?: string;
  /** How many cores the work of others kept busy before it began: on a quiet machine it is near 0. */
  readonly othersLoad?: number;
  /** When, as a date. */
  readonly date?: string;
};

export async function readResults(): Promise<Results> {
  try {
    return JSON.parse(await readFile(RESULTS, 'utf8'));
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return {};
    throw error;
  }
}

export async function writeResults(results: Results): Promise<void> {
  await mkdir(dirname(RESULTS), { recursive: true });
  // Four digits are more than a repetition gives.
  const digits = (_key: string, value: unknown) =>
    typeof value === 'number' && !Number.isInteger(value) ? Number(value.toPrecision(4)) : value;
  await writeFile(RESULTS, `${JSON.stringify(results, digits, 2)}\n`);
}
