import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { access, chmod, constants, cp, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join, relative } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { promisify } from 'node:util';
import { cachePath } from '../../tools/cache-path.ts';
import { ensureTool } from '../../tools/control-plane/binaries.ts';
import { chooseBinaries } from '../../tools/control-plane/binary-source.ts';
import { aFolder } from '../support/builders/a-folder.ts';

const run = promisify(execFile);
const PROGRAM = await ensureTool('setup-envtest');
const PROGRAM_BELOW_CACHE = relative(cachePath(), PROGRAM);
const NAMES = ['etcd', 'kube-apiserver'] as const;
const ARCHITECTURES: Readonly<Record<string, string>> = { x64: 'amd64' };
const ARCHIVE = `envtest-v1.36.2-${process.platform}-${ARCHITECTURES[process.arch] ?? process.arch}.tar.gz`;

/** Programs that only print a version, as the programs in an archive of setup-envtest do. */
const PROGRAMS = {
  etcd: '#!/bin/sh\necho "etcd Version: 3.6.8"\n',
  'kube-apiserver': '#!/bin/sh\necho "Kubernetes v1.36.2"\n',
  kubectl: '#!/bin/sh\necho "Client Version: v1.36.2"\n',
};

/** Serves an index with one archive, as GitHub does for setup-envtest. Returns the URL of the index. */
async function serve(t: TestContext, { hash }: { readonly hash?: string } = {}): Promise<string> {
  const folder = await aFolder(t, PROGRAMS);
  for (const name of Object.keys(PROGRAMS)) await chmod(join(folder, name), 0o755);
  await run('tar', ['-czf', ARCHIVE, ...Object.keys(PROGRAMS)], { cwd: folder });
  const archive = await readFile(join(folder, ARCHIVE));
  const checksum = hash ?? createHash('sha512').update(archive).digest('hex');
  const server = createServer(({ url }, response) => {
    const selfLink = `${origin}/${ARCHIVE}`;
    const index = { releases: { 'v1.36.2': { [ARCHIVE]: { hash: checksum, selfLink } } } };
    response.end(url === '/index.yaml' ? JSON.stringify(index) : archive);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  t.after(() => server.close());
  return `${origin}/index.yaml`;
}

/** Returns the lines that `chooseBinaries` prints. */
async function choose(index: string): Promise<readonly string[]> {
  const lines: string[] = [];
  await chooseBinaries(NAMES, (line) => lines.push(line), index);
  return lines;
}

/** Makes a cache folder for this test, in which only setup-envtest is built. */
async function anEmptyCache(t: TestContext): Promise<void> {
  delete process.env.KUBEBUILDER_ASSETS;
  // setup-envtest makes its folders read-only, and only its own command removes them.
  t.after(() => run(PROGRAM, ['cleanup', '1.36.2', `--bin-dir=${cachePath('envtest')}`]));
  process.env.XDG_CACHE_HOME = await aFolder(t);
  await cp(PROGRAM, cachePath(PROGRAM_BELOW_CACHE));
}

describe('the binaries of npm run demo on a machine that has none', () => {
  it('setup-envtest downloads the binaries once, and later starts use them without a network', async (t) => {
    await anEmptyCache(t);
    const chosen =
      'etcd and kube-apiserver come from setup-envtest, because KUBEBUILDER_ASSETS is not set and no earlier build is ' +
      'in the cache (etcd 3.6.8, kube-apiserver 1.36.2)';
    assert.deepEqual(await choose(await serve(t)), ['setup-envtest downloads Kubernetes 1.36.2', chosen]);
    assert.match(process.env.KUBEBUILDER_ASSETS ?? '', /\/envtest\/k8s\/1\.36\.2-/);

    delete process.env.KUBEBUILDER_ASSETS;
    assert.deepEqual(await choose('http://127.0.0.1:1/index.yaml'), [chosen]);
  });

  it('a download that was interrupted is repeated', async (t) => {
    await anEmptyCache(t);
    const index = await serve(t);
    await choose(index);
    const folder = process.env.KUBEBUILDER_ASSETS ?? '';
    await chmod(folder, 0o755);
    await rm(join(folder, 'kube-apiserver'));
    delete process.env.KUBEBUILDER_ASSETS;

    assert.match((await choose(index)).at(-1) ?? '', /^etcd and kube-apiserver come from setup-envtest, /);
    await access(join(folder, 'kube-apiserver'), constants.X_OK);
  });

  it('an archive with another checksum than in the index is not used, and the binaries are built', async (t) => {
    await anEmptyCache(t);
    const lines = await choose(await serve(t, { hash: '0'.repeat(128) }));
    assert.match(
      lines.at(-1) ?? '',
      /^etcd and kube-apiserver come from Go modules, .* checksum mismatch for envtest-/,
    );
    assert.equal(process.env.KUBEBUILDER_ASSETS, undefined);
  });

  it('the binaries are built if the host of the index refuses the connection', async (t) => {
    await anEmptyCache(t);
    const [line, ...others] = await choose('http://127.0.0.1:1/index.yaml');
    assert.match(line ?? '', /^etcd and kube-apiserver come from Go modules, .*: connection refused$/);
    assert.deepEqual(others, []);
  });
});
