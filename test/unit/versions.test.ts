import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { olderVersions } from '../control-plane/binaries.ts';
import { readGoModule } from '../control-plane/go-module.ts';
import { minorOf, policyArgs, servedPolicyVersion } from '../control-plane/kubernetes-version.ts';
import { readDocument } from '../support/docs.ts';
import { supportDocument, supportedIn } from '../versions/support-table.ts';

const document = await readDocument('docs/versions.md');

describe('docs/versions.md', () => {
  it('has a row for each Kubernetes that the cluster tests can be run against', async () => {
    const newest = minorOf((await readGoModule()).kubernetesVersion);
    const rows = supportedIn(document).map(([minor]) => minor);
    assert.deepEqual(rows, [...(await olderVersions()), newest]);
  });

  it('is as `npm run test:versions` writes it', () => {
    assert.equal(supportDocument([], document), document);
  });

  it('is linked from the README', async () => {
    assert.match(await readDocument('README.md'), /\(docs\/versions\.md\)/);
  });
});

describe('a row', () => {
  it('replaces that of its minor version, and stands in order', () => {
    const row = { passed: 1, failed: 0, skipped: [], retried: 0 };
    const first = supportDocument(
      [
        { ...row, version: 'v1.30.1' },
        { ...row, version: 'v1.9.0' },
      ],
      '',
    );
    const second = supportDocument(
      [{ version: 'v1.30.2', passed: 8, failed: 1, skipped: ['why', 'why'], retried: 2 }],
      first,
    );
    assert.deepEqual(
      supportedIn(second).map(([, line]) => line.split(' | ').slice(0, 2)),
      [
        ['| v1.9.0', '1 passed'],
        ['| v1.30.2', '8 passed, **1 failed**, 2 of the files at the second try, 2 skipped: why'],
      ],
    );
  });
});

describe('MutatingAdmissionPolicy', () => {
  for (const [version, served] of [
    ['v1.30.14', undefined],
    ['v1.33.0', undefined],
    ['v1.34.4', 'v1beta1'],
    ['v1.35.4', 'v1beta1'],
    ['v1.36.0', 'v1'],
  ] as const) {
    it(`is ${served ?? 'not'} served by ${version}`, () => {
      assert.equal(servedPolicyVersion(version), served);
      assert.equal(policyArgs(version).length, served === 'v1beta1' ? 2 : 0);
    });
  }
});
