import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import packageJson from '../../package.json' with { type: 'json' };
import { LOWEST_NODE } from '../../tools/bundle/node-versions.ts';
import { writeNpmPackage } from '../../tools/release/npm-package.ts';
import { type Cluster, startCluster } from '../support/cluster/cluster.ts';
import { type Daemon, startDaemon } from '../support/cluster/daemon.ts';
import { ensureNodeVersion } from '../support/cluster/npm-node.ts';
import { projectFile } from '../support/docs.ts';

const run = promisify(execFile);
/** A copy of the project can have a name with a scope. */
const { name } = packageJson;

describe('the npm package, installed in an empty folder', () => {
  let cluster: Cluster;
  let daemon: Daemon;
  let parent: string;
  /** The folder in which a user runs npm. */
  let folder: string;
  let env: NodeJS.ProcessEnv;
  before(async () => {
    parent = await mkdtemp(join(tmpdir(), 'terraform-daemon-npm-'));
    await run('npm', ['run', 'sbom'], { cwd: projectFile('.') });
    await mkdir(join(parent, 'package'));
    await writeFile(join(parent, 'package', '.env'), 'a file that a user left in the folder');
    await writeNpmPackage(join(parent, 'package'));
    await run('npm', ['pack', '--pack-destination', parent], { cwd: join(parent, 'package') });
    const tarball = join(parent, `${name.replace('@', '').replace('/', '-')}-${packageJson.version}.tgz`);
    folder = join(parent, 'empty');
    await mkdir(folder);
    cluster = await startCluster();
    const lowest = await ensureNodeVersion(`${LOWEST_NODE.major}.${LOWEST_NODE.minor}.0`);
    env = { PATH: [lowest, process.env.PATH].join(delimiter), HOME: parent, KUBECONFIG: cluster.kubeconfig };
    // Without a registry: the package needs no other package.
    await run('npm', ['install', '--offline', '--no-audit', '--no-fund', tarball], { cwd: folder, env });
  });
  after(async () => {
    await daemon?.stop();
    await cluster?.stop();
    if (parent) await rm(parent, { recursive: true, force: true });
  });
  const npx = async (...args: readonly string[]): Promise<string> =>
    (await run('npx', ['--offline', 'terraform-daemon', ...args], { cwd: folder, env })).stdout;

  it('the npm package contains the bundle, its licences and its README, and has no script and no dependency', async () => {
    const installed = join(folder, 'node_modules', name);
    const files = ['LICENSE', 'README.md', 'package.json', 'terraform-daemon.js', 'third-party-licenses.txt'];
    assert.deepEqual((await readdir(installed)).toSorted(), files);
    assert.deepEqual((await readdir(join(folder, 'node_modules'))).toSorted(), [
      '.bin',
      '.package-lock.json',
      name.replace(/\/.*/, ''),
    ]);
    const readme = await readFile(join(installed, 'README.md'), 'utf8');
    assert.ok(readme.includes(`\nnpx ${name} check `));
    assert.doesNotMatch(readme, /\]\((?!https:)/);
    const fields = JSON.parse(await readFile(join(installed, 'package.json'), 'utf8'));
    assert.equal(fields.repository.url, `git+${packageJson.repository}.git`);
    assert.deepEqual([fields.scripts, fields.dependencies, fields.devDependencies], [undefined, undefined, undefined]);
  });

  it('an npm package with a bundle of another version is refused', () =>
    assert.rejects(
      writeNpmPackage(join(parent, 'refused'), '97.6.5'),
      /^Error: dist\/terraform-daemon\.js --version: found 1\S+: must be 97\.6\.5\. Run npm run build\.$/,
    ));

  it('npx runs the commands of the package on the lowest Node.js against a daemon that runs from the package too', async () => {
    assert.equal(await npx('--version'), `${packageJson.version}\n`);
    const node = join(env.PATH?.split(delimiter)[0] ?? '', 'node');
    const { stdout: version } = await run(node, ['--version']);
    assert.equal(version, `v${LOWEST_NODE.major}.${LOWEST_NODE.minor}.0\n`);
    const program = join(folder, 'node_modules', '.bin', 'terraform-daemon');
    daemon = await startDaemon({
      kubeconfig: cluster.daemonKubeconfig,
      command: async (flags) => [node, program, ...flags],
    });
    await daemon.line('ready');
    assert.match(await npx('check', '--wait=2m'), /^verdict: passed/m);
    assert.match(
      await npx('inspect', `--service-port=${daemon.port}`, `--address=localhost:${daemon.port}`),
      /^verdict: healthy$/m,
    );
    assert.match(await npx('applies', '-A'), /^verdict: none/m);
    assert.match(await npx('rotate', '--settle-time=1s'), /^requested a new serving certificate$/m);
    assert.match(await npx('policy'), /^kind: MutatingAdmissionPolicy$/m);
    assert.match(await npx('completion', 'bash'), /complete .*terraform-daemon/);
    assert.equal(await daemon.stop(), 0);
  });
});
