import { execFileSync } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import packageJson from '../../package.json' with { type: 'json' };

const ROOT = join(import.meta.dirname, '..', '..');
/** Tests have versions of their own, and the changelog and the decision records describe former versions. */
const FILES = ['--', '.', ':!test', ':!CHANGELOG.md', ':!docs/adr', ':!*package-lock.json', ':!*go.mod', ':!*go.sum'];

/** A value of package.json that the documents and manifests repeat. */
interface Field {
  readonly value: string;
  /** A page of the project, and a regular expression that finds the former value in the page. */
  readonly former: readonly [page: string, RegExp];
  /** The text before the value in each place, as a regular expression, because other projects can have the same version. */
  readonly before: string;
}

const VERSION_PLACES = [
  'terraform-daemon[:-]',
  'newTag: ',
  'app\\.kubernetes\\.io/version: ',
  '\\bref=v',
  '\\btag: v',
  '\\btag `v',
  '\\btargetRevision: v',
  '\\b(?:blob|download|tags)/v',
];

const { repository, version, name, bugs } = packageJson;
const INSTALL = 'docs/how-to/install.md';
export const VERSION: Field = {
  value: version,
  former: [INSTALL, /manifests\/base\?ref=v([^\]]+)/],
  before: VERSION_PLACES.join('|'),
};
const FIELDS: readonly Field[] = [
  VERSION,
  { value: repository, former: [INSTALL, /\[(https:\S+)\/\/manifests\/base\b/], before: '' },
  { value: name, former: ['docs/how-to/use-from-a-laptop.md', /npx (\S+) check/], before: 'npx |install --global ' },
  { value: bugs.email, former: ['SECURITY.md', /`(\S+@\S+)`/], before: '' },
];

/** Writes version, repository, name and address of package.json in place of the former ones into all files that have them. */
export async function writeIdentity(): Promise<void> {
  for (const field of FIELDS) {
    const [page, pattern] = field.former;
    const [, former] = pattern.exec(await readFile(join(ROOT, page), 'utf8')) ?? [];
    if (former === undefined) throw new Error(`${page}: must match ${pattern}`);
    if (former === field.value) continue;
    const files = execFileSync('git', ['grep', '-lF', former, ...FILES], { cwd: ROOT, encoding: 'utf8' });
    for (const file of files.trim().split('\n')) {
      const text = await readFile(join(ROOT, file), 'utf8');
      await writeFile(join(ROOT, file), replaceField(text, former, field));
    }
  }
}

/** Returns the text with the new value in each place of the field. */
export const replaceField = (
  text: string,
  former: string,
  { value, before }: Pick<Field, 'value' | 'before'>,
): string => text.replace(new RegExp(`(?<=${before})${former.replaceAll(/[.+]/g, '\\$&')}(?!\\w)`, 'g'), () => value);
