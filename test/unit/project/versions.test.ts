import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { allVersions } from '../../../tools/control-plane/binaries.ts';
import { policyArgs, servedPolicyVersion } from '../../../tools/control-plane/kubernetes-version.ts';
import { readDocument } from '../../support/docs.ts';
import { supportDocument, supportedIn, supportSentence, withSentence } from '../../versions/support-table.ts';

const document = await readDocument('docs/reference/versions.md');

describe('docs/reference/versions.md', () => {
  it('docs/reference/versions.md has a row for each tested Kubernetes version', async () => {
    const rows = supportedIn(document).map(([minor]) => minor);
    assert.deepEqual(rows, [...(await allVersions()).keys()]);
  });

  it('docs/reference/versions.md equals the output of `npm run test:versions`', async () => {
    assert.equal(supportDocument([], document, await allVersions()), document);
  });

  it('the README names exactly the passed versions of docs/reference/versions.md', async () => {
    const sentence = supportSentence(document, await allVersions());
    const readme = await readDocument('README.md');
    assert.ok(readme.split('\n').includes(sentence), `it should say: ${sentence}`);
    assert.equal(withSentence(readme, sentence), readme);
  });
});

it('supportSentence names the versions without a failure, and the newest one', () => {
  const versions = new Map([
    ['1.30', 'v1.30.14'],
    ['1.31', 'v1.31.0'],
    ['1.32', 'v1.32.0'],
  ]);
  const row = (version: string) => ({
    version,
    passed: 1,
    failed: version === 'v1.31.1' ? 1 : 0,
    skipped: [],
    retried: 0,
    commit: 'abc1234',
  });
  const sentence = (...tried: string[]) => supportSentence(supportDocument(tried.map(row), '', versions), versions);
  const start = 'Made for Kubernetes 1.30 and later, and tried with';
  const end = ': [docs/reference/versions.md](docs/reference/versions.md).';
  assert.equal(sentence(), `${start} v1.32.0${end}`);
  assert.equal(sentence('v1.30.14'), `${start} v1.30.14 and v1.32.0${end}`);
  assert.equal(sentence('v1.30.14', 'v1.31.0', 'v1.32.0'), `${start} v1.30.14, v1.31.0 and v1.32.0${end}`);
  assert.equal(sentence('v1.31.1'), `${start} v1.32.0${end}`, 'not with what failed');
  assert.equal(withSentence(`one\n${sentence()}\ntwo`, 'three'), 'one\nthree\ntwo');
});

describe('a row of docs/reference/versions.md', () => {
  it('a new row replaces the row of its minor version, and a version without results says so', () => {
    const versions = new Map([
      ['1.9', 'v1.9.0'],
      ['1.30', 'v1.30.2'],
      ['1.31', 'v1.31.0'],
    ]);
    const [passed, failed, skipped, retried, commit] = [1, 0, [], 0, 'abc1234'];
    const earlier = ['v1.30.1', 'v1.9.0'].map((version) => ({ version, passed, failed, skipped, retried, commit }));
    const later = { version: 'v1.30.2', passed: 8, failed: 1, skipped: ['why', 'why'], retried: 2, commit: 'def5678' };
    const second = supportDocument([later], supportDocument(earlier, '', versions), versions);
    assert.deepEqual(
      supportedIn(second)
        .map(([, line]) => line.split(' | '))
        .map((cells) => [...cells.slice(0, 2), cells.at(-1)]),
      [
        ['| v1.9.0', '1 passed', 'abc1234 |'],
        ['| v1.30.2', '8 passed, **1 failed**, 2 of the test files in the second run, 2 skipped: why', 'def5678 |'],
        ['| v1.31.0', 'not tried yet', 'none |'],
      ],
    );
  });
});

describe('the API version of MutatingAdmissionPolicy', () => {
  for (const [version, served] of [
    ['v1.30.14', undefined],
    ['v1.33.0', undefined],
    ['v1.34.4', 'v1beta1'],
    ['v1.35.4', 'v1beta1'],
    ['v1.36.0', 'v1'],
  ] as const) {
    it(`MutatingAdmissionPolicy is served by Kubernetes ${version} as: ${served ?? 'nothing'}`, () => {
      assert.equal(servedPolicyVersion(version), served);
      assert.equal(policyArgs(version).length, served === 'v1beta1' ? 2 : 0);
    });
  }
});
