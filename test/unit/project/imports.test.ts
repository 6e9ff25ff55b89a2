import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { dirname, join, normalize } from 'node:path';
import { describe, test } from 'node:test';

const root = new URL('../../../', import.meta.url).pathname;
const { dependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));

interface Import {
  readonly from: string;
  /** A file under src, such as `certs/judge.ts`, or the name of a package. */
  readonly to: string;
  readonly isTypeOnly: boolean;
}

const files = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.ts'))
  .sort();
const texts = new Map(files.map((file) => [file, readFileSync(join(root, 'src', file), 'utf8')]));
const imports = [...texts].flatMap(([from, text]) => importsOf(from, text));

function importsOf(from: string, text: string): Import[] {
  const statements = text.matchAll(/^(?:import|export)\s+(type\s)?(?:[^'";]*?\sfrom\s+)?'([^']+)'/gm);
  const calls = text.matchAll(/\b(?:import|require)\('([^']+)'\)/g);
  const resolved = (path = '') => (path.startsWith('.') ? normalize(join(dirname(from), path)) : path);
  return [
    ...[...statements].map(([, type, path]) => ({ from, to: resolved(path), isTypeOnly: type !== undefined })),
    ...[...calls].map(([, path]) => ({ from, to: resolved(path), isTypeOnly: false })),
  ];
}

/** Each package is used, at run time, by one file alone: the place to look at when it changes or goes. */
const doors = {
  '@kubernetes/client-node': 'stores/kube.ts',
  commander: 'cli/command-line.ts',
  express: 'webhook/app.ts',
  'fast-json-patch': 'webhook/patch.ts',
  'node-forge': 'certs/issue.ts',
  'p-retry': 'lib/retry.ts',
  'prom-client': 'telemetry/metrics.ts',
  winston: 'lib/log.ts',
  yaml: 'lib/yaml.ts',
  zod: 'policy/schema.ts',
};

/** Files that decide: the same answer for the same arguments, at any time and on any machine. */
const pureFiles = [
  'backstop/job-projection.ts',
  'backstop/decide.ts',
  'backstop/job-events.ts',
  'certs/bundle.ts',
  'certs/decide.ts',
  'certs/serving-swap.ts',
  'certs/rotation.ts',
  'certs/secret.ts',
  'certs/x509.ts',
  'commands/inspect/certificate-facts.ts',
  'commands/inspect/observations.ts',
  'commands/inspect/report.ts',
  'commands/inspect/findings.ts',
  'commands/inspect/terminal.ts',
  'commands/inspect/selectors.ts',
  'commands/inspect/text.ts',
  'commands/inspect/verdicts.ts',
  'policy/admission-policy.ts',
  'policy/cel.ts',
  'policy/policy.ts',
  'policy/schema.ts',
  'registration/desired.ts',
  'registration/drift.ts',
  'registration/webhook-spec.ts',
  'registration/config-arbitration.ts',
  'policy/decide.ts',
  'policy/job.ts',
  'policy/matching.ts',
  'webhook/review.ts',
  'cli/config.ts',
  'cli/durations.ts',
  'lib/pem.ts',
  'lib/repair-limiter.ts',
  'lib/text.ts',
  'kube/list-stream.ts',
  'kube/managed-fields.ts',
  'operator/resync.ts',
  'cli/option-parsers.ts',
  'cli/options.ts',
  'lib/backoff.ts',
  'commands/kubectl-hints.ts',
  'certs/rotation-status.ts',
  'commands/rotate/progress.ts',
  'operator/health.ts',
  'stores/stored-secret.ts',
  'cli/subcommands.ts',
  'lib/yaml.ts',
];
const impure = {
  'the clock': /\bDate\.now\b|\bnew Date\(\s*\)|\bDate\(\s*\)|\bperformance\b/,
  timers: /\bset(Timeout|Interval|Immediate)\b|node:timers/,
  chance: /\bMath\.random\b|\brandom(Bytes|UUID|Int)\b/,
  'the process': /\bprocess\.|node:(process|os|child_process)/,
  files: /node:fs/,
  'the network': /\bfetch\(|node:(http|https|tls|dgram|dns)\b/,
  output: /\bconsole\.|\/log\.ts'/,
};

test('this test sees every import', () => {
  const written = [...texts.values()].join('\n').match(/^(?:import\b|export .* from ')/gm) ?? [];
  assert.equal(imports.length, written.length);
  assert.deepEqual(
    imports.filter(
      ({ to }) => !texts.has(to) && !isPackage(to) && to !== '../../package.json' && to !== '../package.json',
    ),
    [],
  );
});

const isPackage = (name: string): boolean =>
  name in dependencies || (name.startsWith('node:') && builtinModules.includes(name.slice(5)));

describe('the packages', () => {
  test('have a door each', () => {
    assert.deepEqual(Object.keys(doors).sort(), Object.keys(dependencies).sort());
  });

  for (const [name, door] of Object.entries(doors)) {
    test(`${name} is imported at run time by ${door} alone`, () => {
      const importers = imports.filter(({ to, isTypeOnly }) => to === name && !isTypeOnly);
      assert.deepEqual(
        importers.map(({ from }) => from),
        [door],
      );
    });
  }
});

describe('the files that decide', () => {
  for (const file of pureFiles) {
    test(`${file} asks for its arguments alone`, () => {
      // What a comment says does not count.
      const code = (texts.get(file) ?? '').replaceAll(/\/\*.*?\*\/|\/\/ [^\n]*/gs, '');
      assert.notEqual(code, '');
      const asked = Object.entries(impure).filter(([, pattern]) => pattern.test(code));
      assert.deepEqual(
        asked.map(([what]) => what),
        [],
      );
    });
  }
});

test('no file imports itself over others, types included', () => {
  const graph = new Map(files.map((file) => [file, imports.filter(({ from }) => from === file).map(({ to }) => to)]));
  const cycles = files.flatMap((file) => cycleFrom(file, graph));
  assert.deepEqual(cycles, []);
});

/** The way from a file back to itself, if there is one. */
function cycleFrom(start: string, graph: ReadonlyMap<string, readonly string[]>): string[] {
  const seen = new Set<string>();
  const ways = [[start]];
  for (let way = ways.pop(); way !== undefined; way = ways.pop()) {
    for (const next of graph.get(way.at(-1) ?? '') ?? []) {
      if (next === start) return [[...way, next].join(' -> ')];
      if (!seen.has(next)) ways.push([...way, next]);
      seen.add(next);
    }
  }
  return [];
}
