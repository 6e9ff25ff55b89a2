import { readArguments, usageError } from '../../tools/arguments.ts';
import { BATCH, fuzz, type Tally } from './target.ts';
import { targets } from './targets.ts';
import { startWatchdog } from './watchdog.ts';

const HELP = `npm run fuzz [-- OPTIONS]

Sends hostile input to each parser that reads what a client or a user has written.

  --minutes N    total time, shared by the targets (default: 1)
  --seed S       first seed; the seed of a printed finding reproduces it (default: random)
  --target NAME  only this target; repeatable: ${Object.keys(targets).join(', ')}
  --help         print this text

Exit codes: 0 no finding, 1 a finding or a crash, 2 usage error.
`;

/** Maximum CPU time for one input: the default webhook timeout of the daemon. */
const MOST_CPU_MS = 5_000;
const NO_END_MS = 300_000;
/** Maximum length of a turn. Targets take turns, so that an interrupted run has tried all of them. */
const TURN_MS = 20_000;
/** The memory limit of the container in manifests/base/deployment.yaml. */
const MOST_RSS_MIB = 512;

interface Sum {
  inputs: number;
  mostCpuMs: number;
  maxRssMib: number | undefined;
  findings: number;
}

const say = (text: string) => process.stdout.write(`${text}\n`);

function readOptions() {
  const { values } = readArguments(HELP, {
    options: {
      minutes: { type: 'string', default: '1' },
      seed: { type: 'string', default: String(Math.floor(Math.random() * 2 ** 31)) },
      target: { type: 'string', multiple: true, default: Object.keys(targets) },
    },
  });
  const [ms, seed] = [Number(values.minutes) * 60_000, Number(values.seed)];
  const unknown = values.target.filter((name) => !Object.hasOwn(targets, name));
  if (!(ms > 0)) usageError(HELP, `--minutes: invalid value ${values.minutes}: must be a number above 0`);
  if (!Number.isInteger(seed)) usageError(HELP, `--seed: invalid value ${values.seed}: must be a whole number`);
  if (unknown.length > 0)
    usageError(HELP, `--target: invalid value ${unknown}: must be one of ${Object.keys(targets).join(', ')}`);
  return { ms, seed, names: values.target };
}

/** Runs one target once and prints its findings at once. */
async function turn(name: string, seed: number, ms: number, beat: () => void): Promise<Tally> {
  const target = await (targets[name] as (typeof targets)[string])();
  try {
    const tally = await fuzz(target, { seed, ms, mostCpuMs: MOST_CPU_MS }, beat);
    const { finding, maxRssMib = 0 } = tally;
    if (finding)
      say(`FINDING ${name}: --target ${name} --seed ${finding.seed}\n  ${finding.error}\n  input: ${finding.input}`);
    if (maxRssMib > MOST_RSS_MIB) say(`FINDING ${name}: --target ${name} --seed ${seed}\n  ${maxRssMib} MiB of memory`);
    return tally;
  } finally {
    await target.close?.();
  }
}

function added(sum: Sum | undefined, { inputs, mostCpuMs, maxRssMib, finding }: Tally): Sum {
  const isLarge = (maxRssMib ?? 0) > MOST_RSS_MIB;
  return {
    inputs: (sum?.inputs ?? 0) + inputs,
    mostCpuMs: Math.max(sum?.mostCpuMs ?? 0, mostCpuMs),
    maxRssMib: maxRssMib === undefined ? undefined : Math.max(sum?.maxRssMib ?? 0, maxRssMib),
    findings: (sum?.findings ?? 0) + (finding || isLarge ? 1 : 0),
  };
}

function table(sums: ReadonlyMap<string, Sum>): string {
  const cells = [...sums].map(([name, { inputs, mostCpuMs, maxRssMib, findings }]) =>
    [name, inputs, `${mostCpuMs} ms`, maxRssMib === undefined ? '' : `${maxRssMib} MiB`, findings].map(String),
  );
  const rows = [
    ['target', 'inputs', 'most CPU time', 'most memory', 'findings'],
    ['---', '---', '---', '---', '---'],
    ...cells,
  ];
  return rows.map((row) => `| ${row.join(' | ')} |`).join('\n');
}

async function run({ ms, seed, names }: ReturnType<typeof readOptions>): Promise<number> {
  say(`seed ${seed}`);
  const watchdog = startWatchdog(NO_END_MS);
  const sums = new Map<string, Sum>();
  const turnMs = Math.min(TURN_MS, ms / names.length);
  const endMs = performance.now() + ms;
  const next = new Map(names.map((name) => [name, seed]));
  for (let at = 0; at < names.length || performance.now() < endMs; at += 1) {
    const name = names[at % names.length] ?? '';
    const from = next.get(name) ?? seed;
    watchdog.about(`${name} --seed ${from}`);
    const tally = await turn(name, from, turnMs, watchdog.beat);
    sums.set(name, added(sums.get(name), tally));
    // The next turn of this target starts with a seed that no batch of this turn has used.
    next.set(name, ((tally.finding?.seed ?? from) + Math.ceil(tally.inputs / BATCH) + 1) | 0);
  }
  await watchdog.stop();
  say(table(sums));
  const all = [...sums.values()];
  const findings = all.reduce((sum, one) => sum + one.findings, 0);
  say(`${all.reduce((sum, { inputs }) => sum + inputs, 0)} inputs, ${findings} findings`);
  return findings === 0 ? 0 : 1;
}

process.exitCode = await run(readOptions());
