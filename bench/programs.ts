import { execFile } from 'node:child_process';
import { chmod, copyFile, mkdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { aCertificateSet } from '../test/support/builders/a-certificate-set.ts';
import { bytesIn } from '../test/support/bytes-in.ts';
import { BUNDLE } from '../test/support/cluster/daemon.ts';
import { imageEntrypoint } from '../test/support/cluster/image-entrypoint.ts';
import type { Progress } from '../tools/control-plane/progress.ts';
import { type Peers, preparePeers } from './peers.ts';

const run = promisify(execFile);

/** The programs to measure, as command lines without port and certificates, and the files that they need. */
export interface Programs {
  readonly daemon: { readonly command: readonly string[]; readonly env: Readonly<Record<string, string>> };
  readonly peers: Peers;
  /** The folder with `tls.crt` and `tls.key` of the peers. */
  readonly certificates: string;
  /** The CA that signed `tls.crt`, as PEM. */
  readonly caBundle: string;
  readonly bundleBytes: number;
  readonly compiledBytes: number;
}

/** Builds the peers, copies the JavaScript bundle of the daemon, and issues one certificate for the peers. */
export async function preparePrograms(folder: string, progress: Progress): Promise<Programs> {
  const peers = await preparePeers(folder, progress);
  const { serving, caBundle } = await aCertificateSet({ issuedAt: new Date() });
  const certificates = join(folder, 'certificates');
  await mkdir(certificates);
  await writeFile(join(certificates, 'tls.crt'), serving.certificate);
  await writeFile(join(certificates, 'tls.key'), serving.privateKey, { mode: 0o600 });
  const daemon = await prepareDaemon(folder);
  return {
    daemon,
    compiledBytes: await bytesIn(daemon.env.NODE_COMPILE_CACHE ?? ''),
    peers,
    certificates,
    caBundle,
    bundleBytes: (await stat(BUNDLE)).size,
  };
}

/** Copies the bundle of the daemon and fills its compile cache (NODE_COMPILE_CACHE), as the Dockerfile does. */
async function prepareDaemon(folder: string): Promise<Programs['daemon']> {
  const app = join(folder, 'app');
  const cache = join(app, 'cache');
  await mkdir(cache, { recursive: true });
  const file = join(app, 'terraform-daemon.mjs');
  await copyFile(BUNDLE, file);
  const { nodeFlags, env: imageEnv } = imageEntrypoint();
  const env = { ...imageEnv, NODE_COMPILE_CACHE: cache };
  const command = [process.execPath, ...nodeFlags, file];
  await run(process.execPath, [...nodeFlags, file, '--version'], { env });
  await chmod(cache, 0o555);
  return { command, env };
}
