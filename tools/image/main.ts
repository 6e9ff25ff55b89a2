import { execFileSync, spawnSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import packageJson from '../../package.json' with { type: 'json' };
import { readArguments, usageError } from '../arguments.ts';

/** `npm run image`: builds the image with buildah, podman or docker, the first that works. */

const { version, repository } = packageJson;
/** Not the name of the npm package, which can have a scope. */
const DEFAULT_TAG = `terraform-daemon:${version}`;

/** The programs that can build the image, in the order in which this script tries them. */
const ENGINES = ['buildah', 'podman', 'docker'];

const USAGE = `npm run image -- [OPTION…] [-- ARGUMENT…]

  --tag NAME          name of the image; can be repeated (default: ${DEFAULT_TAG})
  --engine ENGINE     ${ENGINES.join(', ')} (default: the first that works)
  --build-base IMAGE  base image of the build: Node.js with npm and a shell
  --run-base IMAGE    base image of the result: Node.js at /nodejs/bin/node
  --npmrc FILE        npm settings for the build, for example a private registry with its token
  --ca FILE           PEM file of additional CAs that npm trusts, for example the CA of a proxy

Arguments after -- go to "ENGINE build". The image does not contain the files of --npmrc and --ca.
`;

function fail(problem: string): never {
  process.stderr.write(`npm run image: ${problem}\n`);
  process.exit(2);
}

const one = { type: 'string' } as const;
const { values, positionals, tokens } = readArguments(USAGE, {
  options: { engine: one, 'build-base': one, 'run-base': one, npmrc: one, ca: one, tag: { ...one, multiple: true } },
  allowPositionals: true,
  tokens: true,
});

const [end] = tokens.filter(({ kind }) => kind === 'option-terminator');
const stray = tokens.flatMap((token) =>
  token.kind === 'positional' && token.index < (end?.index ?? Number.POSITIVE_INFINITY) ? token.value : [],
);
if (stray.length > 0)
  usageError(USAGE, `unknown argument ${JSON.stringify(stray.join(' '))}; arguments for ENGINE come after --`);

/** Reports whether the engine works. A docker client without a running engine is installed, but its `info` fails. */
const works = (engine: string) => spawnSync(engine, ['info'], { stdio: 'ignore' }).status === 0;

function findEngine(): string {
  const { engine } = values;
  if (engine === undefined) {
    const found = ENGINES.find(works);
    if (found === undefined) {
      fail(`no working engine: install one of ${ENGINES.join(', ')}. On Debian and Ubuntu: apt-get install buildah`);
    }
    return found;
  }
  if (!ENGINES.includes(engine))
    fail(`--engine: invalid value ${JSON.stringify(engine)}: must be one of ${ENGINES.join(', ')}`);
  if (!works(engine)) fail(`--engine: "${engine} info" fails: ${engine} is not installed or not running`);
  return engine;
}

/**
 * Returns the flags that pass the file of the option `--npmrc` or `--ca` to the build as a secret, so that the image
 * does not contain it. Exits if the file is unreadable.
 */
function secret(id: 'npmrc' | 'ca'): readonly string[] {
  const file = values[id];
  if (file === undefined) return [];
  try {
    accessSync(file, constants.R_OK);
  } catch {
    fail(`--${id}: invalid value ${JSON.stringify(file)}: must be a readable file`);
  }
  return [`--secret=id=${id},src=${file}`];
}

/** Returns the commit hash, with `-dirty` if tracked files have uncommitted changes, or `unknown` without git. */
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
  SOURCE: repository,
  BUILD_BASE: values['build-base'],
  RUN_BASE: values['run-base'],
};
const secrets = [...secret('npmrc'), ...secret('ca')];
const engine = findEngine();
const args = [
  'build',
  ...(values.tag ?? [DEFAULT_TAG]).map((tag) => `--tag=${tag}`),
  ...Object.entries(buildArguments).flatMap(([key, value]) =>
    value === undefined ? [] : `--build-arg=${key}=${value}`,
  ),
  ...secrets,
  ...positionals,
  '.',
];
process.stderr.write(`${[engine, ...args].join(' ')}\n`);
process.exitCode = spawnSync(engine, args, { stdio: 'inherit' }).status ?? 1;
