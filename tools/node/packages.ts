import { access, constants } from 'node:fs/promises';
import { delimiter, join } from 'node:path';

/**
 * The Debian packages that a node needs. The value is a program of the package: if the program is missing, so is the
 * package.
 */
export const PACKAGES: Readonly<Record<string, string>> = {
  buildah: 'buildah',
  conntrack: 'conntrack',
  containerd: 'containerd',
  'containernetworking-plugins': '/usr/lib/cni/bridge',
  curl: 'curl',
  debootstrap: 'debootstrap',
  gcc: 'gcc',
  iproute2: 'ip',
  nftables: 'nft',
  runc: 'runc',
  socat: 'socat',
};

const FOLDERS = [...(process.env.PATH ?? '').split(delimiter), '/usr/local/sbin', '/usr/sbin', '/sbin'];

/** Rejects with the command to run if this machine cannot start a node. */
export async function checkMachine(): Promise<void> {
  const problems: string[] = [];
  if (process.getuid?.() !== 0) problems.push('run it as root: a node needs containers, namespaces and networks');
  const checked = await Promise.all(
    Object.entries(PACKAGES).map(async ([name, program]) => ((await isThere(program)) ? undefined : name)),
  );
  const missing = checked.filter((name) => name !== undefined);
  if (missing.length > 0) {
    problems.push(`missing programs: apt-get install --no-install-recommends ${missing.join(' ')}`);
  }
  if (problems.length > 0) throw new Error(`this machine cannot start a node:\n  ${problems.join('\n  ')}`);
}

async function isThere(program: string): Promise<boolean> {
  const paths = program.startsWith('/') ? [program] : FOLDERS.map((folder) => join(folder, program));
  const found = await Promise.all(
    paths.map((path) =>
      access(path, constants.X_OK).then(
        () => true,
        () => false,
      ),
    ),
  );
  return found.includes(true);
}
