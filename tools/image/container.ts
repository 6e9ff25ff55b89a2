import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildah } from './buildah.ts';

export interface ContainerOptions {
  /** Default: the one that the image names. */
  readonly uid?: number;
  /** Beside that of the image, `NAME=value` each. */
  readonly env?: readonly string[];
  /** Files and folders of this machine that are there under the same path, and cannot be written. */
  readonly mounts?: readonly string[];
  /** Instead of the image's entrypoint. */
  readonly entrypoint?: readonly string[];
}

/** The part of an image's configuration that a container is made from. */
export interface ImageConfig {
  readonly User: string;
  readonly Env: readonly string[];
  readonly Entrypoint: readonly string[];
  readonly Cmd: readonly string[];
  readonly Labels: Readonly<Record<string, string>>;
  readonly ExposedPorts: Readonly<Record<string, unknown>>;
}

/** An image whose files can be looked at and run. */
export interface OpenImage {
  readonly config: ImageConfig;
  /** A folder with the image's files. */
  readonly root: string;
  /**
   * Answers a command that runs the image as strictly as Kubernetes does with Pod Security `restricted`: no capabilities,
   * no new privileges, a read-only root file system. It ends with the exit code, and hands signals on.
   */
  command(args: readonly string[], options?: ContainerOptions): Promise<readonly [string, ...string[]]>;
  /** Leaves no mount behind. */
  close(): Promise<void>;
}

const MOUNTS = [
  { destination: '/proc', type: 'proc', source: 'proc' },
  { destination: '/dev', type: 'tmpfs', source: 'tmpfs', options: ['nosuid', 'mode=755'] },
];
// No network namespace: the daemon's probes and the API server are those of this machine.
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
