import assert from 'node:assert/strict';
import { execFile, execFileSync } from 'node:child_process';
import { chown, mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it, type TestContext } from 'node:test';
import { promisify } from 'node:util';
import packageJson from '../../package.json' with { type: 'json' };
import { kubectl } from '../../tools/control-plane/kubectl.ts';
import { stderrProgress } from '../../tools/control-plane/progress.ts';
import { ensureBaseImages } from '../../tools/image/base-images.ts';
import { type ContainerOptions, type OpenImage, openImage } from '../../tools/image/container.ts';
import { buildDaemonImage } from '../../tools/image/images.ts';
import { recordedJob } from '../support/builders/recorded-jobs.ts';
import { bytesIn } from '../support/bytes-in.ts';
import { startCluster } from '../support/cluster/cluster.ts';
import { startDaemon } from '../support/cluster/daemon.ts';
import { eventually } from '../support/eventually.ts';

const MiB = 2 ** 20;
const DAEMON_UID = 65532;
/** A user id other than the one of the image. */
const OTHER_UID = 1234;
const TELL_OF_CACHE = 'NODE_DEBUG_NATIVE=COMPILE_CACHE';

describe('the container image', () => {
  let image: OpenImage;
  let base: OpenImage;
  let archive: string;
  before(async () => {
    const built = await buildDaemonImage(stderrProgress());
    archive = built.archive;
    image = await openImage(built.name);
    base = await openImage((await ensureBaseImages(stderrProgress())).run);
  });
  after(async () => {
    await image?.close();
    await base?.close();
  });

  /** Runs the image with these arguments. Rejects if the exit code is not 0. */
  async function run(args: readonly string[], options?: ContainerOptions) {
    const [file, ...rest] = await image.command(args, options);
    return promisify(execFile)(file, rest);
  }

  it('the labels of the image name the version, the commit and the repository', () => {
    const revision = execFileSync('git', ['rev-parse', 'HEAD'], { encoding: 'utf8' }).trim();
    const label = (name: string) => image.config.Labels[`org.opencontainers.image.${name}`];
    assert.equal(label('version'), packageJson.version);
    assert.equal(label('licenses'), packageJson.license);
    assert.equal(label('source'), packageJson.repository);
    assert.match(label('revision') ?? '', new RegExp(`^${revision}(-dirty)?$`));
    assert.match(label('base.name') ?? '', /^localhost\/node-run:/);
  });

  it('the image runs as a numeric non-root user', () => {
    assert.equal(image.config.User, `${DAEMON_UID}:${DAEMON_UID}`);
    const flags = ['--min-semi-space-size=2', '--max-semi-space-size=2'];
    assert.deepEqual(image.config.Entrypoint, ['/nodejs/bin/node', ...flags, '/app/terraform-daemon.mjs']);
    assert.deepEqual(Object.keys(image.config.ExposedPorts).sort(), ['8080/tcp', '8090/tcp']);
  });

  it('the image adds only the JavaScript bundle with its command, the compile cache, the SBOM and the licences to its base image', async () => {
    const had = new Set(await filesOf(base.root));
    const added = (await filesOf(image.root)).filter((file) => !had.has(file));
    const named = added.map((file) => file.replace(/^app\/cache\/v24\.[^/]+-65532\/[0-9a-f]+$/, 'app/cache/…'));
    assert.deepEqual(named.sort(), [
      'app/LICENSE',
      'app/cache/…',
      'app/sbom.cdx.json',
      'app/terraform-daemon.mjs',
      'app/third-party-licenses.txt',
      'usr/local/bin/terraform-daemon',
    ]);
  });

  it('the user of the image owns no file in the image', async () => {
    for (const file of await filesOf(join(image.root, 'app'))) {
      const { uid, gid, mode } = await stat(join(image.root, 'app', file));
      assert.deepEqual([uid, gid, mode & 0o222], [0, 0, 0], file);
    }
  });

  it('the image adds at most its size limit to its base image', async (t) => {
    const added = await bytesIn(join(image.root, 'app'));
    const { size } = await stat(archive);
    t.diagnostic(`${inMiB(added)} MiB on top of the base; ${inMiB(size)} MiB packed, with the stand-in for the base`);
    assert.ok(added < 10 * MiB);
  });

  it('with a read-only file system and no capabilities, the image prints version and help, without a warning', async () => {
    assert.deepEqual(await run(['--version']), { stdout: `${packageJson.version}\n`, stderr: '' });
    const { stdout } = await run(['--help']);
    assert.match(stdout, /^Usage: terraform-daemon/);
  });

  it('the image has the command terraform-daemon in its PATH, for kubectl exec', async () => {
    const { stdout, stderr } = await run(['--version'], { entrypoint: ['terraform-daemon'] });
    assert.deepEqual([stdout, stderr], [`${packageJson.version}\n`, '']);
  });

  it('the daemon in the image uses the V8 compile cache that the image build created', async (t) => {
    const { stderr } = await run(['--version'], { env: [TELL_OF_CACHE] });
    assert.match(stderr, /V8 code cache for ESM file:\/\/\/app\/terraform-daemon\.mjs was accepted/);
    const withCache = await medianMs(() => run(['policy']));
    const without = await medianMs(() => run(['policy'], { env: ['NODE_DISABLE_COMPILE_CACHE=1'] }));
    t.diagnostic(`start to end of a command: ${withCache} ms, without compiled code ${without} ms`);
  });

  it('the image runs as another user without a warning, although this user cannot use the V8 compile cache', async () => {
    const { stderr: told } = await run(['--version'], { uid: OTHER_UID, env: [TELL_OF_CACHE] });
    assert.match(told, /Cannot create cache directory/);
    assert.deepEqual(await run(['--version'], { uid: OTHER_UID }), { stdout: `${packageJson.version}\n`, stderr: '' });
  });

  it('the image starts a daemon that caps a Job and exits cleanly', async (t) => {
    const cluster = await startCluster();
    t.after(() => cluster.stop());
    const kubeconfig = await copyFor(DAEMON_UID, cluster.daemonKubeconfig, t);
    const daemon = await startDaemon({
      kubeconfig,
      command: (flags) => image.command(flags, { mounts: [kubeconfig] }),
    });
    t.after(() => daemon.stop('SIGKILL'));
    await daemon.line('ready');
    assert.equal((await daemon.probe('/readyz')).status, 200);
    const body = await recordedJob('create-terraform-apply', 'default');
    await eventually(async () => {
      const job = await cluster.batch.createNamespacedJob({ namespace: 'default', body, dryRun: 'All' });
      assert.equal(job.spec?.backoffLimit, 0);
    });
    assert.equal(await daemon.stop(), 0);
  });
});

/** Returns the paths of all files below the folder, relative to it. */
async function filesOf(folder: string): Promise<readonly string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => !entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1));
}

async function medianMs(work: () => Promise<unknown>): Promise<number> {
  const times: number[] = [];
  for (let round = 0; round < 5; round += 1) {
    const start = performance.now();
    await work();
    times.push(Math.round(performance.now() - start));
  }
  return times.sort((one, other) => one - other)[2] ?? 0;
}

/**
 * Copies a kubeconfig for another user id. The copy contains the credentials, because only the owner can read the files
 * that the original names.
 */
async function copyFor(uid: number, kubeconfig: string, t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'terraform-daemon-kubeconfig-'));
  t.after(() => rm(folder, { recursive: true }));
  const copy = join(folder, 'kubeconfig');
  await writeFile(copy, await kubectl(kubeconfig, ['config', 'view', '--raw', '--flatten']), { mode: 0o600 });
  await chown(copy, uid, uid);
  return copy;
}

const inMiB = (bytes: number) => (bytes / MiB).toFixed(1);
