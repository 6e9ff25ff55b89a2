import { execFileSync } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import packageJson from '../../package.json' with { type: 'json' };

const ROOT = join(import.meta.dirname, '..', '..');
const INSTALL_PAGE = join(ROOT, 'docs', 'how-to', 'install.md');

/**
 * Writes the URL of package.json in place of the former URL in all files that name the repository. The former URL is
 * the one in docs/how-to/install.md.
 */
export async function writeRepository(): Promise<void> {
  const [, former] = /\[(https:\S+)\/\/manifests\/base\b/.exec(await readFile(INSTALL_PAGE, 'utf8')) ?? [];
  if (former === undefined) throw new Error('docs/how-to/install.md names no base in a repository');
  if (former === packageJson.repository) return;
  const files = execFileSync('git', ['grep', '-lF', former], { cwd: ROOT, encoding: 'utf8' }).trim().split('\n');
  for (const file of files) {
    const text = await readFile(join(ROOT, file), 'utf8');
    await writeFile(join(ROOT, file), text.replaceAll(former, packageJson.repository));
  }
}
