import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';

interface Locked {
  readonly license?: string;
  readonly integrity?: string;
  readonly hasInstallScript?: boolean;
}

const lockFile = new URL('../../../package-lock.json', import.meta.url);
const { packages }: { packages: Record<string, Locked> } = JSON.parse(readFileSync(lockFile, 'utf8'));
const dependencies = Object.entries(packages).filter(([folder]) => folder !== '');

const packageFile = new URL('../../../package.json', import.meta.url);
const { allowScripts }: { allowScripts: Record<string, boolean> } = JSON.parse(readFileSync(packageFile, 'utf8'));

/** Licences that a package in package-lock.json can have. None of them requires more than attribution. */
const ALLOWED = new Set([
  '0BSD',
  'Apache-2.0',
  'BlueOak-1.0.0',
  'BSD-2-Clause',
  'BSD-3-Clause',
  'ISC',
  'MIT',
  'PSF-2.0',
  'Python-2.0',
  'Unlicense',
]);

/** "A OR B" needs one allowed licence, "A AND B" needs both. A person must read anything more complex. */
const isAllowed = (license = ''): boolean =>
  license
    .replace(/^\((.*)\)$/, '$1')
    .split(' OR ')
    .some((choice) => choice.split(' AND ').every((name) => ALLOWED.has(name)));

describe('the crates of the Rust peer of the benchmark', () => {
  it('bench/rust-peer/Cargo.lock has the source crates.io and a checksum for each crate', () => {
    const lock = readFileSync(new URL('../../../bench/rust-peer/Cargo.lock', import.meta.url), 'utf8');
    const [, ...crates] = lock.split('[[package]]');
    const others = crates.filter((crate) => !crate.includes('name = "rust-peer"'));
    assert.equal(others.length, crates.length - 1);
    for (const crate of others) {
      assert.match(
        crate,
        /^source = "registry\+https:\/\/github\.com\/rust-lang\/crates\.io-index"\nchecksum = "[0-9a-f]{64}"$/m,
      );
    }
  });
});

describe('npm dependencies', () => {
  it('all packages in package-lock.json have allowed licences', () => {
    const others = dependencies.filter(([, { license }]) => !isAllowed(license));
    assert.deepEqual(
      others.map(([folder, { license }]) => `${folder}: ${license}`),
      [],
    );
  });

  it('the licence check refuses a missing licence and a licence that is not on its list of allowed licences', () => {
    for (const license of ['GPL-3.0-only', 'MIT AND GPL-3.0-only', 'SEE LICENSE IN LICENSE', undefined]) {
      assert.equal(isAllowed(license), false, `${license}`);
    }
    assert.equal(isAllowed('(BSD-3-Clause OR GPL-2.0)'), true);
    assert.equal(isAllowed('Apache-2.0 AND MIT'), true);
  });

  it('package-lock.json has a hash for each npm dependency', () => {
    assert.ok(dependencies.length > 100);
    for (const [folder, { integrity }] of dependencies) assert.match(integrity ?? '', /^sha512-/, folder);
  });

  it('only npm dependencies in allowScripts run an install script', () => {
    const withScripts = dependencies.filter(([, { hasInstallScript }]) => hasInstallScript);
    assert.deepEqual(
      withScripts.map(([folder]) => folder.replace('node_modules/', '')).toSorted(),
      Object.keys(allowScripts).toSorted(),
    );
  });
});
