import { createHash } from 'node:crypto';
import { cp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { inBuildFolder } from '../control-plane/build-folder.ts';
import type { Progress } from '../control-plane/progress.ts';
import { buildah, hasImage, IMAGE_CACHE, run } from './buildah.ts';

/**
 * The names of local replacements for the two base images of the Dockerfile. A machine without access to a container
 * registry can build on them.
 */
export interface BaseImages {
  readonly build: string;
  readonly run: string;
}

/** The Node.js binary from `npm ci`, which runs the tests and is copied into the base images. */
const NODE = fileURLToPath(new URL('../../node_modules/node/bin/node', import.meta.url));

/** Without `--force-check-gpg`, debootstrap only warns if it cannot verify the signature of Debian. */
const DEBOOTSTRAP = ['--force-check-gpg', '--variant=minbase', '--include=libstdc++6,ca-certificates', 'bookworm'];
const NPM = 'npm@11';

const RUN_FILE = `FROM scratch
ADD rootfs.tar /
COPY node /nodejs/bin/node
ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
`;
const buildFile = (runBase: string) => `FROM ${runBase}
COPY package /usr/local/lib/node_modules/npm
RUN ln -s /nodejs/bin/node /usr/local/bin/node && ln -s ../lib/node_modules/npm/bin/npm-cli.js /usr/local/bin/npm
`;

/**
 * Builds replacements for the base images of the Dockerfile from Debian packages and npm packages. The runtime image
 * has Node.js at the path of the distroless image; unlike distroless it has a shell. The images are kept in the cache
 * folder of the user. Several processes can call this at once: one builds, the others wait.
 */
export async function ensureBaseImages(progress: Progress): Promise<BaseImages> {
  const version = (await run(NODE, ['--version'])).slice(1);
  const recipe = createHash('sha256').update([...DEBOOTSTRAP, NPM, RUN_FILE, buildFile('')].join('\n'));
  const tag = `${version}-${recipe.digest('hex').slice(0, 8)}`;
  const images = { build: `localhost/node-build:${tag}`, run: `localhost/node-run:${tag}` };
  const areThere = async () => (await hasImage(images.build)) && (await hasImage(images.run));
  if (await areThere()) return images;
  const onWait = (seconds: number) => progress(`another process builds the base images: waiting, ${seconds} s`, true);
  await inBuildFolder(join(IMAGE_CACHE, 'base'), { onWait, signal: undefined }, async (folder) => {
    if (!(await areThere())) await buildBaseImages(images, folder, progress);
  });
  return images;
}

async function buildBaseImages(images: BaseImages, folder: string, progress: Progress): Promise<void> {
  progress('building stand-ins for the base images from Debian packages; takes a minute or two the first time');
  const startedAt = performance.now();
  const rootfs = join(folder, 'rootfs');
  await run('debootstrap', [...DEBOOTSTRAP, rootfs], { progress });
  await run('tar', ['-C', rootfs, '-cf', join(folder, 'rootfs.tar'), '.']);
  await rm(rootfs, { recursive: true });
  await cp(NODE, join(folder, 'node'));
  await writeFile(join(folder, 'Run'), RUN_FILE);
  await buildah(['build', '--layers=false', '-f', 'Run', '-t', images.run, '.'], folder);
  const packed = await run('npm', ['pack', '--silent', NPM], { cwd: folder });
  await run('tar', ['-xzf', packed], { cwd: folder });
  await writeFile(join(folder, 'Build'), buildFile(images.run));
  await buildah(['build', '--layers=false', '--pull-never', '-f', 'Build', '-t', images.build, '.'], folder);
  progress(`built the base images in ${Math.round((performance.now() - startedAt) / 1000)} s`);
}
