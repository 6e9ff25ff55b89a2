import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { describe, it, test } from 'node:test';
import { cruise, type ICruiseResult, type IForbiddenRuleType } from 'dependency-cruiser';
import settings from '../../../.dependency-cruiser.json' with { type: 'json' };
import packageJson from '../../../package.json' with { type: 'json' };

interface Room {
  /** Rank of a folder of src/. Files import only from folders with a higher rank. */
  readonly floor: number;
  /** The files that use the clock, chance, the process, files, the network or the log. Every other file is pure. */
  readonly impure: readonly string[];
  /** For each npm package: the only file of the folder that imports the package at run time. */
  readonly doors?: Readonly<Record<string, string>>;
}

/** The rooms of src/, each a folder (or the file main.ts). `npm run graph` draws them. */
const rooms: Readonly<Record<string, Room>> = {
  main: { floor: 1, impure: ['main.ts'] },
  operator: {
    floor: 2,
    impure: ['command.ts', 'lease.ts', 'operator.ts', 'probe-server.ts', 'report.ts', 'triggers.ts'],
  },
  commands: {
    floor: 2,
    doors: { 'get-east-asian-width': 'terminal.ts' },
    impure: [
      'applies/applies.ts',
      'applies/ask.ts',
      'applies/retry-command.ts',
      'applies/retry-waits.ts',
      'check/check.ts',
      'check/observations.ts',
      'cluster.ts',
      'first-signal.ts',
      'inspect/command.ts',
      'inspect/probe-endpoint.ts',
      'rotate/rotate.ts',
    ],
  },
  stores: {
    floor: 3,
    impure: ['event-store.ts', 'owner.ts'],
  },
  backstop: {
    floor: 4,
    impure: ['event-queue.ts', 'failed-applies.ts', 'job-watch.ts', 'job-worker.ts', 'retry-queue.ts'],
  },
  cli: {
    floor: 5,
    impure: [],
    doors: { commander: 'command-line.ts' },
  },
  telemetry: {
    floor: 5,
    impure: ['events.ts', 'process-metrics.ts'],
    doors: { 'prom-client': 'metrics.ts' },
  },
  registration: { floor: 6, impure: [] },
  terraform: { floor: 6, impure: [] },
  webhook: {
    floor: 6,
    impure: ['client-certificates.ts', 'app.ts', 'body.ts', 'connections.ts', 'refused-connections.ts', 'server.ts'],
    doors: { express: 'app.ts', 'fast-json-patch': 'patch.ts' },
  },
  certs: {
    floor: 7,
    impure: ['files.ts', 'issue.ts'],
    doors: { 'node-forge': 'certificate-encoding.ts' },
  },
  kube: {
    floor: 7,
    impure: [
      'client.ts',
      'credentials.ts',
      'exec-plugin-config.ts',
      'exec-plugin.ts',
      'kubeconfig-files.ts',
      'kubeconfig.ts',
      'requests.ts',
      'watch.ts',
    ],
    doors: { '@kubernetes/client-node': 'client.ts', undici: 'http1-agent.ts' },
  },
  policy: { floor: 7, impure: [], doors: { zod: 'schema.ts' } },
  lib: {
    floor: 8,
    impure: ['log-once.ts', 'log-output.ts', 'log.ts', 'watched-file.ts'],
    doors: { winston: 'log.ts', yaml: 'yaml.ts' },
  },
};

/** Patterns of code whose result depends on more than the arguments of a function. */
const impurities: Readonly<Record<string, RegExp>> = {
  clock: /\bDate\.now\b|\bnew Date\(\s*\)|\bDate\(\s*\)|\bperformance\b/,
  timers: /\bset(Timeout|Interval|Immediate)\b|node:timers/,
  chance: /\bMath\.random\b|\brandom(Bytes|UUID|Int)\b/,
  process: /\bprocess\.|node:(process|os|child_process)/,
  files: /node:fs/,
  network: /\bfetch\(|node:(http|https|tls|dgram|dns)\b/,
  output: /\bconsole\.|\/log\.ts'/,
};

const root = new URL('../../../', import.meta.url).pathname;
const isBelow = (folder: string, file: string): boolean => file === `${folder}.ts` || file.startsWith(`${folder}/`);
const roomOf = (file: string): string => Object.keys(rooms).find((room) => isBelow(`src/${room}`, file)) ?? file;

const oneDoorEach: readonly IForbiddenRuleType[] = Object.entries(rooms).flatMap(([room, { doors = {} }]) =>
  Object.entries(doors).map(([name, file]) => ({
    name: `${name} is imported at run time by src/${room}/${file} alone`,
    from: { path: '^src/', pathNot: `^src/${room}/${file}$` },
    to: { path: `(^|/)node_modules/${name}/`, dependencyTypesNot: ['type-only'] },
  })),
);
const oneWay: readonly IForbiddenRuleType[] = Object.entries(rooms).map(([room, { floor }]) => {
  const others = Object.keys(rooms).filter((other) => other !== room && (rooms[other]?.floor ?? 0) <= floor);
  return {
    name: `src/${room} imports from lower floors only`,
    from: { path: `^src/${room}(/|\\.ts$)` },
    to: { path: `^src/(${others.join('|')})(/|\\.ts$)` },
  };
});
const forbidden: IForbiddenRuleType[] = [
  { name: 'no circle, types included', from: {}, to: { circular: true } },
  { name: 'src imports src', from: { path: '^src/' }, to: { path: '^(test|tools|bench)/' } },
  { name: 'tools imports nothing of test and bench', from: { path: '^tools/' }, to: { path: '^(test|bench)/' } },
  { name: 'bench imports of test the support only', from: { path: '^bench/' }, to: { path: '^test/(?!support/)' } },
  { name: 'every import is found', from: {}, to: { couldNotResolve: true } },
  {
    name: 'src imports the dependencies of package.json only',
    from: { path: '^src/' },
    to: { dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown', 'undetermined'] },
  },
  ...oneDoorEach,
  ...oneWay,
];

process.chdir(root);
const { output } = await cruise(['src', 'tools', 'bench'], {
  ...settings.options,
  parser: 'swc',
  validate: true,
  ruleSet: { forbidden },
});
const { modules, summary } = output as ICruiseResult;

describe('imports between the rooms of src', () => {
  it('imports in src follow the rules of dependency-cruiser', () => {
    assert.deepEqual(
      summary.violations.map(({ rule, from, to }) => `${rule.name}: ${from} -> ${to}`),
      [],
    );
  });

  it('dependency-cruiser finds as many imports in src as a text search', () => {
    for (const { source, dependencies } of modules.filter((module) => isBelow('src', module.source))) {
      const text = readFileSync(source, 'utf8');
      const written = new Set(
        [...text.matchAll(/^(?:import|export)\s[^'";]*?from '([^']+)'/gms)].map(([, path]) => path),
      );
      assert.equal(new Set(dependencies.map(({ module }) => module)).size, written.size, source);
    }
  });

  it('src has at most 16 top-level folders and files, on at most 8 levels of imports', (t) => {
    const arrows = new Map<string, readonly [string, string]>();
    for (const { source, dependencies } of modules) {
      for (const { resolved } of dependencies) {
        const [from, to] = [roomOf(source), roomOf(resolved)];
        if (from in rooms && to in rooms && from !== to) arrows.set(`${from} -> ${to}`, [from, to]);
      }
    }
    const floorOf = (room: string): number => rooms[room]?.floor ?? 0;
    const floors = new Set(Object.keys(rooms).map(floorOf));
    const upward = [...arrows.values()].filter(([from, to]) => floorOf(from) >= floorOf(to));
    const circles = summary.violations.filter(({ type }) => type === 'cycle');
    const sizes = `${Object.keys(rooms).length} rooms on ${floors.size} floors`;
    t.diagnostic(`${sizes}, ${arrows.size} arrows, ${upward.length} upward, ${circles.length} circles`);
    assert.ok(Object.keys(rooms).length <= 16);
    assert.ok(floors.size <= 8);
  });
});

test('src contains exactly the folders and files that the table in imports.test.ts lists', () => {
  const names = readdirSync('src').map((name) => basename(name, '.ts'));
  assert.deepEqual(names.sort(), Object.keys(rooms).sort());
});

test('the table in imports.test.ts lists exactly the npm dependencies of package.json', () => {
  const named = Object.values(rooms).flatMap(({ doors = {} }) => Object.keys(doors));
  assert.deepEqual(named.sort(), Object.keys(packageJson.dependencies).sort());
});

describe('pure files of src', () => {
  for (const [room, { impure }] of Object.entries(rooms)) {
    test(`the files of src/${room} that use clock, chance, process, files, network or log are exactly the ${impure.length} files that imports.test.ts lists`, () => {
      const folder = room === 'main' ? 'src' : join('src', room);
      const files = modules.map(({ source }) => source).filter((file) => roomOf(file) === room);
      const found = files.filter(isImpure).map((file) => file.slice(folder.length + 1));
      assert.deepEqual(found.sort(), [...impure].sort());
    });
  }
});

function isImpure(file: string): boolean {
  // Comments are removed, because their words are not code.
  const code = readFileSync(file, 'utf8').replaceAll(/\/\*.*?\*\/|\/\/ [^\n]*/gs, '');
  return Object.values(impurities).some((pattern) => pattern.test(code));
}
