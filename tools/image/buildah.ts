import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { createInterface } from 'node:readline';
import { cachePath } from '../cache-path.ts';
import type { Progress } from '../control-plane/progress.ts';

/** The folder that keeps images and their sources between runs. */
export const IMAGE_CACHE = cachePath('images');

/** Returns the environment in which buildah uses only the images of the tests, not other images of the machine. */
export async function imageEnvironment(): Promise<NodeJS.ProcessEnv> {
  await mkdir(IMAGE_CACHE, { recursive: true });
  const storage = join(IMAGE_CACHE, 'storage.conf');
  const [root, runRoot] = ['storage', 'run'].map((name) => JSON.stringify(join(IMAGE_CACHE, name)));
  await writeFile(storage, `[storage]\ndriver = "overlay"\ngraphroot = ${root}\nrunroot = ${runRoot}\n`);
  return { ...process.env, CONTAINERS_STORAGE_CONF: storage, BUILDAH_ISOLATION: 'chroot' };
}

export interface RunOptions {
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
  /**
   * Receives each line that the command prints, as a temporary progress line: on a terminal, the next line replaces it.
   */
  readonly progress?: Progress;
}

/** Runs a command and returns its stdout. Rejects with the end of its stderr if it fails. */
export async function run(
  command: string,
  args: readonly string[],
  { progress, ...options }: RunOptions = {},
): Promise<string> {
  const child = spawn(command, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] });
  if (progress !== undefined) {
    for (const input of [child.stdout, child.stderr]) {
      createInterface({ input }).on('line', (line) => progress(`${basename(command)}: ${line}`, true));
    }
  }
  const [stdout, stderr] = await Promise.all([child.stdout.toArray(), child.stderr.toArray(), once(child, 'close')]);
  if (child.exitCode === 0) return Buffer.concat(stdout).toString().trim();
  const output = Buffer.concat([...stdout, ...stderr])
    .toString()
    .trimEnd()
    .split('\n')
    .slice(-25)
    .join('\n');
  throw new Error(`"${command} ${args.join(' ')}" failed (${child.exitCode ?? child.signalCode}):\n${output}`);
}

/** Runs buildah on the image store of the tests, not on the store of the machine. */
export const buildah = async (args: readonly string[], cwd?: string): Promise<string> =>
  run('buildah', args, { env: await imageEnvironment(), ...(cwd === undefined ? {} : { cwd }) });

/** Returns whether an image of this name exists. */
export const hasImage = (name: string): Promise<boolean> =>
  buildah(['inspect', '--type=image', '--format={{.FromImageID}}', name]).then(
    () => true,
    () => false,
  );
