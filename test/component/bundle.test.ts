import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, readFile, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const SOURCES = [
  'package.json',
  'package-lock.json',
  'tsconfig.json',
  'src',
  'tools/arguments.ts',
  'tools/bundle',
  'node_modules',
];
/** Large files that the build of the bundle does not read. */
const NOT_NEEDED =
  /\/node_modules\/(?:\.bin|node|typescript|@typescript|@biomejs|@swc|@types|echarts|zrender)(?:\/|$)|\.(?:map|d\.[cm]?ts)$/;

interface Built {
  readonly bundle: Buffer;
  readonly sbom: Buffer;
  readonly licences: string;
  /** The metafile of esbuild: each input file and its bytes in the bundle. */
  readonly inputs: Readonly<Record<string, { readonly bytesInOutput: number }>>;
}

describe('the bundle of the daemon', () => {
  let folder: string;
  /** The folder to which the sources are moved for the second build. */
  let elsewhere: string;
  let first: Built;
  let built: Built;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'terraform-daemon-bundle-'));
    const one = join(folder, 'one');
    for (const name of SOURCES) {
      await cp(join(ROOT, name), join(one, name), {
        recursive: true,
        dereference: true, // in a git worktree, node_modules can be a symbolic link
        filter: (from) => !NOT_NEEDED.test(from),
      });
    }
    first = await build(one);
    elsewhere = join(folder, 'deeper', 'and', 'another');
    await mkdir(dirname(elsewhere), { recursive: true });
    await rename(one, elsewhere);
    await rm(join(elsewhere, 'dist'), { recursive: true });
    built = await build(elsewhere);
  });
  after(() => rm(folder, { recursive: true, force: true }));

  it('two builds in different folders give the same bundle, SBOM and licence file, byte for byte', () => {
    assert.ok(first.bundle.length > 100_000);
    assert.ok(first.bundle.equals(built.bundle), 'the bundles differ');
    assert.ok(first.sbom.equals(built.sbom), 'the SBOMs differ');
    assert.equal(first.licences, built.licences);
  });

  it('the SBOM lists exactly the npm packages in the bundle', async () => {
    const { components, metadata } = JSON.parse(built.sbom.toString());
    assert.equal(metadata.component.name, 'terraform-daemon');
    const listed = components.map(({ name, version }: Named) => `${name}@${version}`);
    assert.deepEqual(listed.sort(), await packagesIn(built.inputs));
    assert.ok(listed.some((ref: string) => ref.startsWith('node-forge@')));
  });

  it('the SBOM has checksum and licence of each package and only edges between listed packages', () => {
    const { components, dependencies, metadata } = JSON.parse(built.sbom.toString());
    for (const { name, hashes, licenses } of components) {
      assert.equal(hashes?.[0]?.alg, 'SHA-512', name);
      assert.ok(licenses?.length > 0, name);
    }
    const known = new Set([metadata.component, ...components].map((part) => part['bom-ref']));
    const named = dependencies.flatMap(({ ref, dependsOn }: Edges) => [ref, ...dependsOn]);
    assert.deepEqual(
      named.filter((ref: string) => !known.has(ref)),
      [],
    );
  });

  it('the licence file names each npm package in the bundle', async () => {
    for (const ref of await packagesIn(built.inputs)) assert.ok(built.licences.includes(`${ref} (`), ref);
    assert.match(built.licences, /Permission is hereby granted/);
  });

  for (const version of ['16.20.2', '20.20.2', '22.14.9', '23.11.1']) {
    it(`the bundle on Node.js ${version} exits with code 2 and one line on stderr, which names the versions that it needs`, async () => {
      const { exitCode, stderr } = await onNode(version);
      assert.equal(exitCode, 2);
      assert.match(
        stderr,
        new RegExp(`^terraform-daemon needs Node.js 22.15 or later, except 23; this is v${version}\\..*\\n$`),
      );
    });
  }

  for (const version of ['22.15.0', '24.0.0', '25.1.0', '100.0.0']) {
    it(`the bundle runs on Node.js ${version}, as far as its check of the version`, async () => {
      assert.deepEqual(await onNode(version), { exitCode: 0, stderr: '' });
    });
  }

  /** Runs the bundle on this Node.js, which says that it is another version. */
  async function onNode(node: string): Promise<{ readonly exitCode: unknown; readonly stderr: string }> {
    const values = { versions: { ...process.versions, node }, version: `v${node}` };
    const define = Object.entries(values).map(
      ([name, value]) => `Object.defineProperty(process, '${name}', { value: ${JSON.stringify(value)} });`,
    );
    const args = [`--import=data:text/javascript,${encodeURIComponent(define.join(''))}`, 'dist/terraform-daemon.js'];
    return promisify(execFile)(process.execPath, [...args, '--version'], { cwd: elsewhere }).then(
      ({ stderr }) => ({ exitCode: 0, stderr }),
      ({ code, stderr }) => ({ exitCode: code, stderr }),
    );
  }

  interface Named {
    readonly name: string;
    readonly version: string;
  }
  interface Edges {
    readonly ref: string;
    readonly dependsOn: readonly string[];
  }

  /**
   * Returns `name@version` of each package with a file in the bundle. The nearest package.json with a name and a
   * version gives both.
   */
  async function packagesIn(inputs: Built['inputs']): Promise<readonly string[]> {
    const files = Object.keys(inputs).filter((file) => inputs[file]?.bytesInOutput && file.includes('node_modules/'));
    const refs = await Promise.all(files.map((file) => packageOf(dirname(join(elsewhere, file)))));
    return [...new Set(refs)].sort();
  }
});

async function packageOf(folder: string): Promise<string> {
  const text = await readFile(join(folder, 'package.json'), 'utf8').catch(() => '{}');
  const { name, version } = JSON.parse(text);
  return name && version ? `${name}@${version}` : packageOf(dirname(folder));
}

async function build(folder: string): Promise<Built> {
  const node = (script: string) =>
    promisify(execFile)(process.execPath, [join('tools/bundle', script)], { cwd: folder });
  await mkdir(join(folder, 'dist'), { recursive: true });
  await node('build.ts');
  await node('sbom.ts');
  const read = (name: string) => readFile(join(folder, 'dist', name));
  const { outputs } = JSON.parse((await read('metafile.json')).toString());
  return {
    bundle: await read('terraform-daemon.js'),
    sbom: await read('sbom.cdx.json'),
    licences: (await read('third-party-licenses.txt')).toString(),
    inputs: outputs['dist/terraform-daemon.js'].inputs,
  };
}
