import { execFileSync, spawnSync } from 'node:child_process';
import packageJson from '../package.json' with { type: 'json' };

/** `npm run image`: builds the image with what is there. Further arguments go to that: `npm run image -- --tag …`. */

/** In the order in which they are looked for. */
const engines: readonly (readonly [string, ...string[]])[] = [
  ['buildah', 'build'],
  ['podman', 'build'],
  ['docker', 'build'],
];

// Docker's client may be there without an engine to talk to; "info" needs one.
const found = engines.find(([engine]) => spawnSync(engine, ['info'], { stdio: 'ignore' }).status === 0);
if (found === undefined) {
  process.stderr.write('npm run image needs one of buildah, podman and docker, and none of them works here.\n');
  process.stderr.write('Debian and Ubuntu: apt-get install buildah\n');
  process.exit(1);
}

const revision = (): string => {
  try {
    return execFileSync('git', ['rev-parse', 'HEAD'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
  } catch {
    return 'unknown';
  }
};

const [engine, command] = found;
const { name, version } = packageJson;
const labels = [`--build-arg=VERSION=${version}`, `--build-arg=REVISION=${revision()}`];
const args = [command ?? 'build', `--tag=${name}:${version}`, ...labels, ...process.argv.slice(2), '.'];
process.stderr.write(`${[engine, ...args].join(' ')}\n`);
process.exitCode = spawnSync(engine, args, { stdio: 'inherit' }).status ?? 1;
