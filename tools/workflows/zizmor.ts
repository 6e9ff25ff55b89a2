import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { access, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { cachePath } from '../cache-path.ts';
import { inBuildFolder } from '../control-plane/build-folder.ts';
import { type Progress, stderrProgress } from '../control-plane/progress.ts';

const REQUIREMENTS = join(import.meta.dirname, 'requirements.txt');
const INSTALL = ['-m', 'pip', 'install', '--no-deps', '--only-binary=:all:', '--require-hashes', '-r', REQUIREMENTS];

/**
 * Returns the absolute path of zizmor. If it is missing, pip installs the wheel of requirements.txt once, into the cache
 * folder of the user.
 */
export async function ensureZizmor(progress: Progress = stderrProgress()): Promise<string> {
  const key = createHash('sha256')
    .update(await readFile(REQUIREMENTS))
    .digest('hex')
    .slice(0, 8);
  const cache = cachePath('zizmor', key);
  const program = join(cache, 'zizmor');
  if (await isThere(program)) return program;
  const onWait = (seconds: number) => progress(`waiting ${seconds} s for another process that installs zizmor`, true);
  await inBuildFolder(cache, { onWait, signal: undefined }, async (folder) => {
    if (await isThere(program)) return;
    await promisify(execFile)('python3', [...INSTALL, '--target', folder]);
    await rename(join(folder, 'bin', 'zizmor'), program);
  });
  return program;
}

const isThere = (file: string): Promise<boolean> =>
  access(file).then(
    () => true,
    () => false,
  );
