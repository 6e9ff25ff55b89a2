import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildah } from './buildah.ts';

export interface ContainerOptions {
  /** User id of the process. Default: the user of the image. */
  readonly uid?: number;
  /** Variables added to the environment of the image, each as `NAME=value`. */
  readonly env?: readonly string[];
  /** Files and folders of this machine to mount read-only under the same path. */
  readonly mounts?: readonly string[];
  /** Command before the arguments. Default: the entrypoint of the image. */
  readonly entrypoint?: readonly string[];
}

/** The fields of the image configuration that a container needs. */
export interface ImageConfig {
  readonly User: string;
  readonly Env: readonly string[];
  readonly Entrypoint: readonly string[];
  readonly Cmd: readonly string[];
  readonly Labels: Readonly<Record<string, string>>;
  readonly ExposedPorts: Readonly<Record<string, unknown>>;
}

/** A mounted image whose files can be read and run. */
export interface OpenImage {
  readonly config: ImageConfig;
  /** The folder with the files of the image. */
  readonly root: string;
  /**
   * Returns a command line that runs the image under the restrictions of Pod Security `restricted`: no capabilities, no
   * new privileges, a read-only root file system. The command forwards signals and exits with the exit code of the
   * program.
   */
  command(args: readonly string[], options?: ContainerOptions): Promise<readonly [string, ...string[]]>;
  /** Removes the mounts. */
  close(): Promise<void>;
}

const MOUNTS = [
  { destination: '/proc', type: 'proc', source: 'proc' },
  { destination: '/dev', type: 'tmpfs', source: 'tmpfs', options: ['nosuid', 'mode=755'] },
];
// The namespaces of the container. There is no network namespace, so that the container reaches the API server on
// loopback and tests reach the probes.
const NAMESPACES = [{ type: 'pid' }, { type: 'mount' }, { type: 'ipc' }, { type: 'uts' }];

export async function openImage(name: string): Promise<OpenImage> {
  const inspected: { OCIv1: { config: ImageConfig } } = JSON.parse(await buildah(['inspect', '--type=image', name]));
  const { config } = inspected.OCIv1;
  const container = await buildah(['from', '--pull-never', name]);
  const folder = await mkdtemp(join(tmpdir(), 'terraform-daemon-container-'));
  const root = await buildah(['mount', container]);
  let started = 0;

  async function command(args: readonly string[], options: ContainerOptions = {}) {
    const { uid = Number.parseInt(config.User, 10), env = [], mounts = [], entrypoint = config.Entrypoint } = options;
    started += 1;
    const bundle = join(folder, `${started}`);
    const bound = mounts.map((path) => ({ destination: path, source: path, options: ['bind', 'ro'] }));
    const spec = {
      ociVersion: '1.0.2',
      process: {
        user: { uid, gid: uid },
        args: [...entrypoint, ...args],
        env: [...config.Env, ...env],
        cwd: '/',
        noNewPrivileges: true,
      },
      root: { path: root, readonly: true },
      mounts: [...MOUNTS, ...bound],
      linux: { namespaces: NAMESPACES },
    };
    await mkdir(bundle);
    await writeFile(join(bundle, 'config.json'), JSON.stringify(spec));
    return ['runc', '--root', join(folder, 'state'), 'run', '--bundle', bundle, `${container}-${started}`] as const;
  }
  return {
    config,
    root,
    command,
    async close() {
      await buildah(['rm', container]);
      await rm(folder, { recursive: true, force: true });
    },
  };
}
