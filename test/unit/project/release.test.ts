import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import packageJson from '../../../package.json' with { type: 'json' };
import { replaceField, VERSION } from '../../../tools/docs/identity.ts';
import { releaseNotes, releaseOf } from '../../../tools/release/release.ts';
import { aCheckout } from '../../support/builders/a-checkout.ts';
import { projectFile, readDocument } from '../../support/docs.ts';

const PACKAGE = {
  version: '1.2.3',
  repository: 'https://github.com/A-Team/terraform-daemon',
  bugs: { email: 'a-team@example.org' },
};
const RUN = { tag: 'v1.2.3', repository: PACKAGE.repository, published: ['0.0.0', '1.2.2'] };
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

describe('npm run docs', () => {
  it('npm run docs writes version, repository, name and address of package.json in place of the former ones', async (t) => {
    const checkout = await aCheckout();
    t.after(() => checkout.remove());
    const names = 'version=97.6.5 repository=https://github.com/A-Team/tfd name=@a-team/tfd bugs.email=a@example.org';
    const git = 'git init --quiet && git add . && ln -s "$PROJECT/node_modules"';
    await checkout.run(`${git} && npm pkg set ${names} && npm run docs`, { ...process.env, PROJECT: projectFile('.') });
    const read = (file: string) => readFile(join(checkout.folder, file), 'utf8');
    const install = await read('docs/how-to/install.md');
    assert.ok(install.includes('[https://github.com/A-Team/tfd//manifests/base?ref=v97.6.5]\nimages:\n'));
    assert.match(install, /newName: registry\.example\.com\/terraform-daemon, newTag: 97\.6\.5 }/);
    assert.match(await read('docs/tutorial/quick-start.md'), /^kind load docker-image terraform-daemon:97\.6\.5$/m);
    assert.match(await read('manifests/base/deployment.yaml'), /image: terraform-daemon:97\.6\.5\n/);
    assert.match(await read('manifests/components/labels/kustomization.yaml'), /io\/version: 97\.6\.5\n/);
    assert.match(await read('examples/argo-cd.yaml'), /targetRevision: v97\.6\.5\n/);
    assert.match(await read('examples/flux.yaml'), /ref: { tag: v97\.6\.5 }/);
    assert.match(await read('docs/how-to/use-from-a-laptop.md'), /^npx @a-team\/tfd check$/m);
    assert.match(await read('SECURITY.md'), /`a@example\.org`/);
    // A name with a scope is no name of an image.
    await checkout.run('npm run --silent image -- --help | grep -F "(default: terraform-daemon:97.6.5)"');
    // A second run finds the values of the first one.
    await checkout.run(
      `npm pkg set version=${packageJson.version} repository=${packageJson.repository} && npm run docs`,
    );
    assert.equal(await read('examples/flux.yaml'), await readDocument('examples/flux.yaml'));
  });

  it('npm run docs leaves the same version of another project', () => {
    const others = 'docker-terraform:1.1.4 krew v1.1.4 cniVersion: 1.1.4 terraform-daemon:1.1.40';
    assert.equal(replaceField(others, '1.1.4', VERSION), others);
  });
});

describe('the folder of the project', () => {
  it('npm pack in the folder of the project is refused, because the npm package is dist/npm', () => {
    const { status, stderr } = spawnSync('npm', ['pack', '--dry-run'], { cwd: projectFile('.'), encoding: 'utf8' });
    assert.equal(status, 1);
    assert.match(stderr, /the npm package is dist\/npm: see RELEASE\.md/);
  });
});

describe('the names of a release', () => {
  it('image and charts of a release are in the container registry of its repository, in small letters', () => {
    assert.deepEqual(releaseOf(PACKAGE, RUN), {
      version: '1.2.3',
      image: 'ghcr.io/a-team/terraform-daemon',
      charts: 'oci://ghcr.io/a-team/terraform-daemon/charts',
      npmTag: 'latest',
    });
  });

  it('only a release without a higher version on npm gets the dist-tag latest', () => {
    const cases: readonly (readonly [version: string, published: readonly string[], tag: string])[] = [
      ['1.0.0', ['0.0.0'], 'latest'],
      ['1.0.1', ['0.0.0', '1.0.0', '1.1.0'], 'release-1.0'],
      ['1.9.1', ['1.9.0', '1.10.0'], 'release-1.9'],
      ['1.10.0', ['1.9.0', '1.11.0-rc.1'], 'latest'],
      ['1.1.0-rc.1', ['1.0.0'], 'next'],
    ];
    for (const [version, published, tag] of cases) {
      const { npmTag } = releaseOf({ ...PACKAGE, version }, { ...RUN, tag: `v${version}`, published });
      assert.equal(npmTag, tag, version);
    }
  });

  it('a release of a version that npm has is refused', () => {
    assert.throws(
      () => releaseOf(PACKAGE, { ...RUN, published: ['1.2.3'] }),
      /^Error: package\.json: version: invalid value "1\.2\.3": must be "a version that npm does not have"/,
    );
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

  it('a release with the placeholder as the address for private reports is refused', () => {
    assert.throws(
      () => releaseOf({ ...PACKAGE, bugs: { email: 'maintainers@git.example.com' } }, RUN),
      /^Error: package\.json: bugs\.email: invalid value "maintainers@git\.example\.com"/,
    );
  });
});

describe('the notes of a release', () => {
  it('the notes of a release are the section of its version in CHANGELOG.md, and how to install it', async () => {
    const changelog =
      '# Changelog\n\n## [1.1.0] - 2027-01-02\n\n### Added\n\n- a\n\n## [1.0.0] - 2026-11-29\n\nfirst\n';
    assert.match(releaseNotes(changelog, '1.1.0'), /^### Added\n\n- a\n\n\[Install\]\(https:.*\n$/);
    assert.match(releaseNotes(changelog, '1.0.0'), /^first\n\n\[Install\]\(https:.*\n$/);
    assert.match(releaseNotes(await readDocument('CHANGELOG.md'), packageJson.version), /^### Added$/m);
  });

  it('the links in the notes of a release are URLs of the tag', () => {
    const changelog = '## [1.0.0] - 2026-11-29\n\n[a](docs/a.md#b), [c](https://example.org/)\n';
    const { repository, version } = packageJson;
    const [links] = releaseNotes(changelog, '1.0.0').split('\n');
    assert.equal(links, `[a](${repository}/blob/v${version}/docs/a.md#b), [c](https://example.org/)`);
  });

  it('a version without a section in CHANGELOG.md has no release', () => {
    assert.throws(() => releaseNotes('## [1.1.0] - 2027-01-02\n', '1.1'), /^Error: CHANGELOG\.md has no section/);
  });
});
