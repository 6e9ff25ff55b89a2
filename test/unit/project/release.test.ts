import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { describe, it } from 'node:test';
import packageJson from '../../../package.json' with { type: 'json' };
import { releaseNotes, releaseOf } from '../../../tools/release/release.ts';
import { projectFile, readDocument } from '../../support/docs.ts';

const PACKAGE = { version: '1.2.3', repository: 'https://github.com/A-Team/terraform-daemon' };
const RUN = { tag: 'v1.2.3', repository: PACKAGE.repository };
/** The host that stands for the host of the owner. `npm run docs` replaces it in all files. */
const PLACEHOLDER = 'https://git.example.com/';

describe('the repository URL', () => {
  it('each file that names a repository on the placeholder host names the repository of package.json', () => {
    // git grep exits with code 1 if no file names the host, as in a repository with its own URL.
    const grep = ['grep', '-nF', PLACEHOLDER, '--', ':!test/unit/project/release.test.ts'];
    const { stdout, stderr } = spawnSync('git', grep, { cwd: projectFile('.'), encoding: 'utf8' });
    assert.equal(stderr, '');
    const others = stdout
      .split('\n')
      .filter((line) => line.replaceAll(packageJson.repository, '').includes(PLACEHOLDER));
    assert.deepEqual(others, [], 'change "repository" in package.json, then run npm run docs');
  });

  it('docs/how-to/install.md names the repository and the version of package.json', async () => {
    const { repository, version } = packageJson;
    assert.ok((await readDocument('docs/how-to/install.md')).includes(`${repository}//manifests/base?ref=v${version}`));
  });
});

describe('the names of a release', () => {
  it('image and charts of a release are in the container registry of its repository, in small letters', () => {
    assert.deepEqual(releaseOf(PACKAGE, RUN), {
      version: '1.2.3',
      image: 'ghcr.io/a-team/terraform-daemon',
      charts: 'oci://ghcr.io/a-team/terraform-daemon/charts',
    });
  });

  it('a release with a tag other than the version of package.json is refused', () => {
    for (const tag of ['v1.2.4', '1.2.3', 'v1.2.3-rc.1', '']) {
      assert.throws(
        () => releaseOf(PACKAGE, { ...RUN, tag }),
        /^Error: package\.json: version: invalid value "1\.2\.3"/,
      );
    }
  });

  it('a release of a fork that left the repository in package.json unchanged is refused', () => {
    const run = { ...RUN, repository: 'https://github.com/fork/terraform-daemon' };
    assert.throws(
      () => releaseOf(PACKAGE, run),
      /repository: invalid value .*: must be "https:\/\/github\.com\/fork\//,
    );
  });

  it('a release from a host other than github.com is refused', () => {
    const repository = 'https://git.example.com/a/b';
    assert.throws(
      () => releaseOf({ ...PACKAGE, repository }, { ...RUN, repository }),
      /must be "https:\/\/github\.com/,
    );
  });
});

describe('the notes of a release', () => {
  it('the notes of a release are the section of its version in CHANGELOG.md', async () => {
    const changelog =
      '# Changelog\n\n## [1.1.0] - 2027-01-02\n\n### Added\n\n- a\n\n## [1.0.0] - 2026-11-29\n\nfirst\n';
    assert.equal(releaseNotes(changelog, '1.1.0'), '### Added\n\n- a\n');
    assert.equal(releaseNotes(changelog, '1.0.0'), 'first\n');
    assert.match(releaseNotes(await readDocument('CHANGELOG.md'), packageJson.version), /^### Added$/m);
  });

  it('a version without a section in CHANGELOG.md has no release', () => {
    assert.throws(() => releaseNotes('## [1.1.0] - 2027-01-02\n', '1.1'), /^Error: CHANGELOG\.md has no section/);
  });
});
