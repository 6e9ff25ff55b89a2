import { fileUrl } from '../docs/file-url.ts';

/** The fields of package.json that a release depends on. */
export interface Package {
  readonly version: string;
  readonly repository: string;
  /** The address to which users report in private. */
  readonly bugs: { readonly email: string };
}

/** The run of the release workflow. */
export interface Run {
  /** The pushed tag, for example `v1.0.0`. */
  readonly tag: string;
  /** The URL of the repository in which the workflow runs. */
  readonly repository: string;
  /** The versions of the package that the npm registry has. */
  readonly published: readonly string[];
}

/** The names under which a release is published. */
export interface Release {
  readonly version: string;
  /** The image without tag and digest. */
  readonly image: string;
  /** The parent of the chart, as `helm push` takes it. */
  readonly charts: string;
  /** The dist-tag of the npm package: `next` for a prerelease, `release-1.0` if npm has a higher version, or `latest`. */
  readonly npmTag: string;
}

/**
 * Returns the names of the release.
 *
 * @throws Error if the tag is not the version of package.json, if npm has this version, if package.json names another repository
 *   (npm refuses such a package, and the image would name a wrong source), or if the address is the placeholder.
 */
export function releaseOf({ version, repository, bugs }: Package, run: Run): Release {
  const mustBe = (field: string, found: string, allowed: string) =>
    new Error(`package.json: ${field}: invalid value ${JSON.stringify(found)}: must be ${JSON.stringify(allowed)}`);
  if (run.tag !== `v${version}`) throw mustBe('version', version, run.tag.replace(/^v/, ''));
  if (run.published.includes(version)) throw mustBe('version', version, 'a version that npm does not have');
  if (run.repository !== repository) throw mustBe('repository', repository, run.repository);
  const [, path] = /^https:\/\/github\.com\/(.+)$/.exec(repository) ?? [];
  if (path === undefined) throw mustBe('repository', repository, 'https://github.com/OWNER/NAME');
  if (bugs.email.endsWith('@git.example.com')) throw mustBe('bugs.email', bugs.email, 'an address of yours');
  const image = `ghcr.io/${path.toLowerCase()}`; // a name of an image has no capital letters
  return { version, image, charts: `oci://${image}/charts`, npmTag: npmTagOf(version, run.published) };
}

/** npm refuses a prerelease without a dist-tag, and a version as `latest` if it has a higher one. */
function npmTagOf(version: string, published: readonly string[]): string {
  const isPrerelease = (other: string) => other.includes('-');
  if (isPrerelease(version)) return 'next';
  const { compare } = new Intl.Collator('en', { numeric: true });
  const isHigher = (other: string) => !isPrerelease(other) && compare(other, version) > 0;
  return published.some(isHigher) ? `release-${version.replace(/\.\d+$/, '')}` : 'latest';
}

/**
 * Returns the section of a version of CHANGELOG.md without its heading, and how to install the release. The links are URLs, because the page of a release has
 * no other file.
 *
 * @throws Error if the version has no section.
 */
export function releaseNotes(changelog: string, version: string): string {
  const section = changelog.split(/^## /m).find((text) => text.startsWith(`[${version}] `));
  if (section === undefined) throw new Error(`CHANGELOG.md has no section "## [${version}]"`);
  const install =
    '[Install](docs/how-to/install.md#install-a-release) and [verify](RELEASE.md#verify-a-release) this release.';
  const text = `${section.slice(section.indexOf('\n')).trim()}\n\n${install}`;
  return `${text.replaceAll(/\]\((?!https?:)/g, `](${fileUrl('')}`)}\n`;
}
