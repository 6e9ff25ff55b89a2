import { execFile, spawnSync } from 'node:child_process';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { cachePath } from '../tools/cache-path.ts';
import type { Progress } from '../tools/control-plane/progress.ts';
import type { ByPeer, ByWebhookPeer } from './server-names.ts';

const run = promisify(execFile);
const folderOf = (name: string): string => fileURLToPath(new URL(name, import.meta.url));

/** The servers that the daemon is compared with, as command lines without port and certificates, and their sizes. */
export interface Peers {
  readonly commands: ByPeer<readonly string[]>;
  readonly bytes: ByWebhookPeer<number>;
}

/** Builds the webhooks in Go and, if the machine has cargo, the webhook in Rust. */
export async function preparePeers(folder: string, progress: Progress): Promise<Peers> {
  progress('building the Go peers (one or two minutes at the first time)');
  const { plainGo, controllerRuntime } = await buildGo(folder);
  const rust = await buildRust(progress);
  const sizeOf = async (file: string): Promise<number> => (await stat(file)).size;
  const floor = [process.execPath, folderOf('floor.ts')];
  return {
    commands: {
      ...{ plainGo: [plainGo], controllerRuntime: [controllerRuntime] },
      ...(rust === undefined ? {} : { rust: [rust] }),
      ...{ floor, parsingFloor: [...floor, '--parse'] },
    },
    bytes: {
      ...{ plainGo: await sizeOf(plainGo), controllerRuntime: await sizeOf(controllerRuntime) },
      ...(rust === undefined ? {} : { rust: await sizeOf(rust) }),
    },
  };
}

async function buildGo(folder: string) {
  const flags = ['-trimpath', '-buildvcs=false', '-ldflags=-s -w'];
  await run('go', ['build', ...flags, '-o', folder, './plain', './controller-runtime'], {
    cwd: folderOf('go-peer'),
    env: { ...process.env, CGO_ENABLED: '0', GOWORK: 'off' },
  });
  return { plainGo: join(folder, 'plain'), controllerRuntime: join(folder, 'controller-runtime') };
}

async function buildRust(progress: Progress): Promise<string | undefined> {
  if (spawnSync('cargo', ['--version']).status !== 0) {
    progress('leaving out the Rust peer: this machine has no cargo');
    return undefined;
  }
  progress('building the Rust peer (a minute at the first time)');
  const target = cachePath('rust-peer');
  await run('cargo', ['build', '--release', '--locked', '--target-dir', target], { cwd: folderOf('rust-peer') });
  return join(target, 'release', 'rust-peer');
}
