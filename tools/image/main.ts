import { execFileSync, spawnSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { parseArgs } from 'node:util';
import packageJson from '../../package.json' with { type: 'json' };

/** `npm run image`: builds the image with buildah, podman or docker, the first that works. */

const { name, version } = packageJson;

/** Tried in this order. */
const ENGINES = ['buildah', 'podman', 'docker'];

const USAGE = `npm run image -- [OPTION…] [-- ARGUMENT…]

  --tag NAME          name of the image; may be given several times (default: ${name}:${version})
  --engine ENGINE     ${ENGINES.join(', ')} (default: the first of these that works)
  --build-base IMAGE  the image to build in: Node.js with npm and a shell
  --run-base IMAGE    the image to run on: Node.js at /nodejs/bin/node
  --npmrc FILE        npm's settings for the build: a registry of your own, its token
  --ca FILE           PEM of further authorities that npm is to trust, e.g. that of a proxy
  --source URL        where the source is, for the label org.opencontainers.image.source

Arguments after -- go to "ENGINE build". Neither of the two files gets into the image.
`;

function fail(problem: string): never {
  process.stderr.write(`npm run image: ${problem}\n`);
  process.exit(2);
}

function readArguments() {
  const one = { type: 'string' } as const;
  const options = { engine: one, 'build-base': one, 'run-base': one, npmrc: one, ca: one, source: one } as const;
  try {
    return parseArgs({
      options: { ...options, tag: { type: 'string', multiple: true }, help: { type: 'boolean' } },
      allowPositionals: true,
      tokens: true,
    });
  } catch (error) {
    return fail(`${error instanceof Error ? error.message : error}\n\n${USAGE}`);
  }
}

const { values, positionals, tokens } = readArguments();
if (values.help) {
  process.stdout.write(USAGE);
  process.exit(0);
}

const [end] = tokens.filter(({ kind }) => kind === 'option-terminator');
const stray = tokens.flatMap((token) =>
  token.kind === 'positional' && token.index < (end?.index ?? Number.POSITIVE_INFINITY) ? token.value : [],
);
if (stray.length > 0) fail(`found ${stray.join(' ')}; allowed there are options alone\n\n${USAGE}`);

/** The docker client can be installed without a running engine; `info` fails then. */
const works = (engine: string) => spawnSync(engine, ['info'], { stdio: 'ignore' }).status === 0;

function findEngine(): string {
  const { engine } = values;
  if (engine === undefined) {
    const found = ENGINES.find(works);
    if (found === undefined) {
      fail(
        `needs one of ${ENGINES.join(', ')}, and none of them works here. Debian and Ubuntu: apt-get install buildah`,
      );
    }
    return found;
  }
  if (!ENGINES.includes(engine)) fail(`--engine ${engine} is none of ${ENGINES.join(', ')}`);
  if (!works(engine)) fail(`--engine ${engine}: "${engine} info" fails, so it is not installed or not started`);
  return engine;
}

/** Returns the flags for a build secret: the build can read the file, and the image does not contain it. */
function secret(id: 'npmrc' | 'ca'): readonly string[] {
  const file = values[id];
  if (file === undefined) return [];
  try {
    accessSync(file, constants.R_OK);
  } catch {
    fail(`--${id} ${file}: there is no such file, or it cannot be read`);
  }
  return [`--secret=id=${id},src=${file}`];
}

/** Returns the commit hash, with `-dirty` if files were changed since the commit. */
function revision(): string {
  const args = ['describe', '--always', '--abbrev=40', '--exclude=*', '--dirty'];
  try {
    return execFileSync('git', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
  } catch {
    return 'unknown';
  }
}

const buildArguments = {
  VERSION: version,
  REVISION: revision(),
  SOURCE: values.source,
  BUILD_BASE: values['build-base'],
  RUN_BASE: values['run-base'],
};
const secrets = [...secret('npmrc'), ...secret('ca')];
const engine = findEngine();
const args = [
  'build',
  ...(values.tag ?? [`${name}:${version}`]).map((tag) => `--tag=${tag}`),
  ...Object.entries(buildArguments).flatMap(([key, value]) =>
    value === undefined ? [] : `--build-arg=${key}=${value}`,
  ),
  ...secrets,
  ...positionals,
  '.',
];
process.stderr.write(`${[engine, ...args].join(' ')}\n`);
process.exitCode = spawnSync(engine, args, { stdio: 'inherit' }).status ?? 1;
