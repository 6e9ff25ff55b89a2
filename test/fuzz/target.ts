import fc from 'fast-check';

/** Something to be fed with inputs, ready for it. */
export interface Target<Input> {
  readonly inputs: fc.Arbitrary<Input>;
  /** Throws where it is not as it should be. */
  check(input: Input): void | Promise<void>;
  /** Returns the CPU time of the checks in ms, if a different process runs them. */
  cpuMs?(): number;
  /** How much memory that has taken, where it is another process that takes it. */
  maxRssMib?(): number;
  close?(): Promise<void>;
}

export interface FuzzOptions {
  readonly seed: number;
  /** How many inputs are made of one seed. */
  readonly batch?: number;
  /** It ends with the first batch that ends after this. */
  readonly ms: number;
  /** More CPU time for one input is a finding: how long it takes depends on what else the machine does. */
  readonly mostCpuMs: number;
}

export interface Tally {
  readonly inputs: number;
  readonly mostCpuMs: number;
  readonly maxRssMib: number | undefined;
  readonly finding: Finding | undefined;
}

export interface Finding {
  /** A run with this seed comes upon it at once. */
  readonly seed: number;
  /** The smallest input that was found to show it. */
  readonly input: string;
  readonly error: string;
}

/** Small, so that a seed leads to what it has found in a moment, and large enough for inputs of all sizes. */
export const BATCH = 50;

function ownCpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

const LONGEST_SHOWN = 4_000;

/** Feeds a target until the time is up or a finding occurs. The seed increases by one for each batch. */
export async function fuzz<Input>(
  target: Target<Input>,
  { seed, batch: numRuns = BATCH, ms, mostCpuMs }: FuzzOptions,
  beat: () => void = () => {},
): Promise<Tally> {
  const endMs = performance.now() + ms;
  const cpuMs = target.cpuMs ?? ownCpuMs;
  let [inputs, slowestMs] = [0, 0];
  const property = fc.asyncProperty(target.inputs, async (input) => {
    beat();
    const startMs = cpuMs();
    await target.check(input);
    const tookMs = cpuMs() - startMs;
    inputs += 1;
    slowestMs = Math.max(slowestMs, tookMs);
    if (tookMs > mostCpuMs) throw new Error(`took ${Math.round(tookMs)} ms of CPU time`);
  });
  let finding: Finding | undefined;
  for (let batch = 0; finding === undefined && (batch === 0 || performance.now() < endMs); batch += 1) {
    const batchSeed = (seed + batch) | 0;
    const details = await fc.check(property, { seed: batchSeed, numRuns });
    if (details.failed) {
      const input = fc.stringify(details.counterexample?.[0]).slice(0, LONGEST_SHOWN);
      finding = {
        seed: batchSeed,
        input,
        error: String((details.errorInstance as Error)?.stack ?? details.errorInstance),
      };
    }
  }
  return { inputs, mostCpuMs: Math.round(slowestMs), maxRssMib: target.maxRssMib?.(), finding };
}
