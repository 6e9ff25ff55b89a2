import fc from 'fast-check';

/** A piece of code to fuzz, with a generator of its inputs. */
export interface Target<Input> {
  readonly inputs: fc.Arbitrary<Input>;
  /** Runs the code with one input. Throws if it misbehaves. */
  check(input: Input): void | Promise<void>;
  /** Returns the CPU time of the checks in ms, if a different process runs them. */
  cpuMs?(): number;
  /** Returns the peak memory of the checks in MiB, if a different process runs them. */
  maxRssMib?(): number;
  close?(): Promise<void>;
}

export interface FuzzOptions {
  readonly seed: number;
  /** Number of inputs for each seed. Default: `BATCH`. */
  readonly batch?: number;
  /** Duration of the run. The last batch is completed. */
  readonly ms: number;
  /** Maximum CPU time for one input; more is a finding. CPU time is used because elapsed time depends on other load. */
  readonly mostCpuMs: number;
}

export interface Tally {
  readonly inputs: number;
  readonly mostCpuMs: number;
  readonly maxRssMib: number | undefined;
  readonly finding: Finding | undefined;
}

export interface Finding {
  /** A run with this seed reproduces the finding in its first batch. */
  readonly seed: number;
  /** The smallest failing input that shrinking found. */
  readonly input: string;
  readonly error: string;
}

/** Number of inputs for each seed: few enough to reproduce a finding quickly, and enough for inputs of all sizes. */
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
