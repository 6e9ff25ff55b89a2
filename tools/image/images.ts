import { access, mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import packageJson from '../../package.json' with { type: 'json' };
import type { Progress } from '../control-plane/progress.ts';
import { NODE_IP } from '../node/layout.ts';
import { ensureBaseImages } from './base-images.ts';
import { buildah, hasImage, IMAGE_CACHE, imageEnvironment, run } from './buildah.ts';

/** An image as a file that `ctr images import` reads. */
export interface ImageFile {
  readonly name: string;
  readonly archive: string;
}

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** The image name of the manifests, with registry. */
export const DAEMON_IMAGE = `docker.io/library/terraform-daemon:${packageJson.version}`;

/**
 * Builds the image of the daemon with `npm run image`, on the local base images.
 *
 * @param name a second name gives a second image, for a test of an upgrade.
 */
export async function buildDaemonImage(progress: Progress, name = DAEMON_IMAGE): Promise<ImageFile> {
  const bases = await ensureBaseImages(progress);
  progress(`building ${name}`);
  const own = [`--tag=${name}`, `--build-base=${bases.build}`, `--run-base=${bases.run}`, ...(await npmSettings())];
  const args = ['tools/image/main.ts', '--engine=buildah', ...own, '--', '--pull-never', '--layers=false'];
  await run(process.execPath, args, { cwd: ROOT, env: await imageEnvironment(), progress });
  // Removes the former image of this name. If a container still uses it, the next build removes it.
  await buildah(['rmi', '--prune']).catch(() => {});
  return save(name);
}

/** Returns the npm settings of this machine: npm needs them inside the image build too. */
async function npmSettings(): Promise<readonly string[]> {
  const npmrc = process.env.NPM_CONFIG_USERCONFIG ?? join(homedir(), '.npmrc');
  const hasNpmrc = await access(npmrc).then(
    () => true,
    () => false,
  );
  const authorities = process.env.NODE_EXTRA_CA_CERTS;
  return [...(hasNpmrc ? [`--npmrc=${npmrc}`] : []), ...(authorities ? [`--ca=${authorities}`] : [])];
}

/** The pause process holds the namespaces of a Pod. It waits for signals and reaps child processes. */
const PAUSE_SOURCE = `#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>
static void end(int signal) { _exit(0); }
static void reap(int signal) { while (waitpid(-1, 0, WNOHANG) > 0); }
int main(void) {
  signal(SIGINT, end);
  signal(SIGTERM, end);
  signal(SIGCHLD, reap);
  for (;;) pause();
}
`;
export const PAUSE_IMAGE = 'localhost/pause:1';

export async function ensurePauseImage(): Promise<ImageFile> {
  if (!(await hasImage(PAUSE_IMAGE))) {
    await inFolder(
      { 'pause.c': PAUSE_SOURCE, Dockerfile: 'FROM scratch\nCOPY pause /pause\nENTRYPOINT ["/pause"]\n' },
      async (folder) => {
        await run('gcc', ['-static', '-Os', '-s', '-o', 'pause', 'pause.c'], { cwd: folder });
        await buildah(['build', '--layers=false', '-t', PAUSE_IMAGE, '.'], folder);
      },
    );
  }
  return save(PAUSE_IMAGE);
}

/** Port of the node on which the ticket system of a test listens. The stand-in for terraform calls it. */
export const TICKET_PORT = 9999;

/** The images that the Jobs of terraform-controller use. */
export const TERRAFORM_IMAGES = {
  terraform: 'docker.io/oamdev/docker-terraform:1.1.4',
  busybox: 'docker.io/library/busybox:latest',
} as const;

/** The image of the Job in examples/failing-apply.yaml. */
const EXAMPLE_IMAGE = 'docker.io/library/busybox:1.37';

/** Builds a stand-in for busybox that has a shell. */
export async function ensureExampleImage(progress: Progress): Promise<ImageFile> {
  const { run: base } = await ensureBaseImages(progress);
  await buildah(['tag', base, EXAMPLE_IMAGE]);
  return save(EXAMPLE_IMAGE);
}

/** Node.js reads the types away only from a file whose name ends in .ts. */
const TERRAFORM = `#!/bin/sh
export NODE_EXTRA_CA_CERTS=/var/run/secrets/kubernetes.io/serviceaccount/ca.crt
exec /nodejs/bin/node /opt/terraform-stand-in.ts "$@"
`;

/** Builds images whose `terraform` is a stand-in: `tools/image/terraform-stand-in.ts`. */
export async function ensureTerraformImages(progress: Progress): Promise<readonly ImageFile[]> {
  const { run: base } = await ensureBaseImages(progress);
  const file = `FROM ${base}
COPY terraform /usr/local/bin/terraform
COPY terraform-stand-in.ts /opt/terraform-stand-in.ts
RUN chmod +x /usr/local/bin/terraform
ENV TICKETS=${NODE_IP}:${TICKET_PORT}
WORKDIR /data
`;
  const standIn = await readFile(new URL('terraform-stand-in.ts', import.meta.url), 'utf8');
  const names = Object.values(TERRAFORM_IMAGES);
  const files = { terraform: TERRAFORM, 'terraform-stand-in.ts': standIn, Dockerfile: file };
  await inFolder(files, async (folder) => {
    const tags = names.map((name) => `--tag=${name}`);
    await buildah(['build', '--layers=false', '--pull-never', ...tags, '.'], folder);
  });
  return Promise.all(names.map(save));
}

async function inFolder(
  files: Readonly<Record<string, string>>,
  work: (folder: string) => Promise<void>,
): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'terraform-daemon-image-'));
  try {
    await Promise.all(Object.entries(files).map(([name, content]) => writeFile(join(folder, name), content)));
    await work(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function save(name: string): Promise<ImageFile> {
  const archives = join(IMAGE_CACHE, 'archives');
  await mkdir(archives, { recursive: true });
  const archive = join(archives, `${name.replaceAll(/[/:]/g, '_')}.tar`);
  // Another process can save the same image at the same time.
  const folder = await mkdtemp(join(archives, 'saving-'));
  try {
    await buildah(['push', name, `oci-archive:${join(folder, 'image.tar')}:${name}`]);
    await rename(join(folder, 'image.tar'), archive);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  return { name, archive };
}
