import { execFile } from 'node:child_process';
import { access, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { cachePath } from '../../../tools/cache-path.ts';
import { inBuildFolder } from '../../../tools/control-plane/build-folder.ts';

/**
 * Returns the folder with the program `node` of a version of Node.js. If it is missing, npm installs it once, into the
 * cache folder of the user.
 */
export async function ensureNodeVersion(version: string): Promise<string> {
  const cache = cachePath(`node-${version}-${process.arch}`);
  const bin = join(cache, 'bin');
  const isThere = () =>
    access(bin).then(
      () => true,
      () => false,
    );
  if (await isThere()) return bin;
  await inBuildFolder(cache, { onWait: () => {}, signal: undefined }, async (folder) => {
    if (await isThere()) return;
    const name = `node-${process.platform}-${process.arch}`;
    await promisify(execFile)('npm', ['install', '--no-audit', '--no-fund', '--prefix', folder, `${name}@${version}`]);
    await rename(join(folder, 'node_modules', name, 'bin'), bin);
  });
  return bin;
}
