import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { BodyName } from './bodies.ts';
import type { Spread } from './figures.ts';
import type { Measured } from './load.ts';
import type { ByPeer, ByServer, ByWebhookPeer } from './server-names.ts';

export const RESULTS = fileURLToPath(new URL('../docs/explanation/benchmarks/results.json', import.meta.url));

type BySpread<T> = Readonly<Record<keyof T, Spread>>;

/** The figures of each server under load, and its memory in MiB. */
export interface EndpointResults {
  readonly connections: number;
  readonly load: Readonly<Record<BodyName, ByServer<BySpread<Measured>>>>;
  readonly memory: ByServer<{
    readonly rest: number;
    /** Memory after the load with recorded reviews. */
    readonly loaded: number;
    /** Memory after the load with Jobs of 1 MiB. */
    readonly large: number;
    readonly peak: number;
  }>;
}

export const ways = ['nothing', 'policy', 'ours', 'plainGo', 'controllerRuntime'] as const;
export type Way = (typeof ways)[number];

/** Latency of the creation of a Job at the API server, in ms. */
export interface ApiResults {
  readonly creates: number;
  readonly total: Readonly<Record<Way, { readonly p50Ms: number; readonly p99Ms: number }>>;
  /**
   * The latency that each way of capping adds, in ms. Each turn creates one Job with and one Job without capping; the
   * value is the median difference of their latencies.
   */
  readonly added: Readonly<Record<Exclude<Way, 'nothing'>, number>>;
  /**
   * Number of created Jobs that match no rule of the policy, and number of calls that the endpoint received for them.
   */
  readonly plain: { readonly created: number; readonly reached: number };
}

/** Time from the start of the process to "ready", in ms. */
export interface StartResults {
  readonly fresh: Spread;
  readonly existing: Spread;
  readonly peers: ByPeer<Spread>;
}

export interface SizeResults {
  readonly bundleBytes: number;
  readonly peerBytes: ByWebhookPeer<number>;
  /** Size of the compile cache of the daemon's bundle (NODE_COMPILE_CACHE), in bytes. */
  readonly compiledBytes: number;
  /** Absent if this machine cannot build the image. */
  readonly image?: {
    readonly addedBytes: number;
    /** Size of the image archive. The base of this image is built from Debian packages instead of distroless. */
    readonly packedBytes: number;
  };
}

/** A start of the daemon in a cluster with many Jobs. */
export interface StartWithJobs {
  /** Time from "ready" until ten uncapped Jobs are capped. */
  readonly seconds: number;
  /** CPU time of the daemon from its start until it is idle, and of the API server meanwhile. */
  readonly cpuSeconds: number;
  readonly apiServerCpuSeconds: number;
  readonly peakMib: number;
}

export interface JobsPoint extends StartWithJobs {
  /** Number of finished Jobs in the cluster, and how they ended. */
  readonly jobs: number;
  readonly ended: 'Complete' | 'Failed';
}

export interface CurveResults {
  readonly connections: readonly ({ readonly connections: number } & ByServer<Pick<Measured, 'perSecond' | 'p99Ms'>>)[];
  readonly jobs: readonly JobsPoint[];
  /** For each number of replicas that start at once: the time until the last replica is ready. */
  readonly replicas: readonly { readonly replicas: number; readonly readyMs: number }[];
}

/** A replica at rest, with its watches open. */
export interface AtRest {
  /** Thousandths of a core. */
  readonly millicores: number;
  /** Voluntary context switches of all threads. */
  readonly switchesPerMinute: number;
  readonly handshakesPerMinute: number;
  readonly rssMib: number;
  readonly pssMib: number;
}

/** Two replicas at rest, at the same time and several times. */
export interface RestResults {
  readonly seconds: number;
  readonly turns: readonly { readonly withLease: AtRest; readonly withoutLease: AtRest }[];
}

/** The parts of a run. Each part can be measured alone. */
export interface Parts {
  readonly endpoint: EndpointResults;
  readonly api: ApiResults;
  readonly starts: StartResults;
  readonly sizes: SizeResults;
  readonly connections: CurveResults['connections'];
  readonly jobs: CurveResults['jobs'];
  readonly replicas: CurveResults['replicas'];
  readonly rest: RestResults;
}
export const partNames = ['endpoint', 'api', 'starts', 'sizes', 'connections', 'jobs', 'replicas', 'rest'] as const;
export type PartName = (typeof partNames)[number];

/** When and where a part was measured. */
export interface Run {
  /** Processor, kernel, Node.js and Go. */
  readonly machine: string;
  /** Number of cores that other processes kept busy before the run. On a quiet machine it is near 0. */
  readonly othersLoad: number;
  /** Date of the run, as YYYY-MM-DD. */
  readonly date: string;
}

export type Results = Partial<Parts> & { readonly runs?: Partial<Readonly<Record<PartName, Run>>> };

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
  // Rounds each figure that is no integer to four significant digits: further digits differ from run to run.
  const digits = (_key: string, value: unknown) =>
    typeof value === 'number' && !Number.isInteger(value) ? Number(value.toPrecision(4)) : value;
  await writeFile(RESULTS, `${JSON.stringify(results, digits, 2)}\n`);
}
