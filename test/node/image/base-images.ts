import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Progress } from '../../control-plane/progress.ts';
import { buildah, hasImage, run } from './buildah.ts';

/** What the daemon's image is built in and what it runs on, where no registry of images can be reached. */
export interface BaseImages {
  readonly build: string;
  readonly run: string;
}

/** The Node.js that `npm ci` brings: that of the tests, and of the stand-ins. */
const NODE = fileURLToPath(new URL('../../../node_modules/node/bin/node', import.meta.url));

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
 * Stand-ins for the base images of the Dockerfile: Debian from its packages, Node.js and npm from theirs. The one that
 * the daemon runs on has Node.js where distroless has it; unlike distroless it has a shell.
 */
export async function ensureBaseImages(progress: Progress): Promise<BaseImages> {
  const version = (await run(NODE, ['--version'])).slice(1);
  const names = { build: `localhost/node-build:${version}`, run: `localhost/node-run:${version}` };
  if ((await hasImage(names.build)) && (await hasImage(names.run))) return names;
  const folder = await mkdtemp(join(tmpdir(), 'terraform-daemon-base-'));
  try {
    progress('building stand-ins for the base images from Debian packages; takes a minute or two the first time');
    const rootfs = join(folder, 'rootfs');
    await run('debootstrap', ['--variant=minbase', '--include=libstdc++6,ca-certificates', 'bookworm', rootfs]);
    await run('tar', ['-C', rootfs, '-cf', join(folder, 'rootfs.tar'), '.']);
    await rm(rootfs, { recursive: true });
    await cp(NODE, join(folder, 'node'));
    await writeFile(join(folder, 'Run'), RUN_FILE);
    await buildah(['build', '--layers=false', '-f', 'Run', '-t', names.run, '.'], folder);
    const packed = await run('npm', ['pack', '--silent', 'npm@11'], { cwd: folder });
    await run('tar', ['-xzf', packed], { cwd: folder });
    await writeFile(join(folder, 'Build'), buildFile(names.run));
    await buildah(['build', '--layers=false', '--pull-never', '-f', 'Build', '-t', names.build, '.'], folder);
    return names;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
