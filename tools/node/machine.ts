import { readdir, readFile, rmdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** Settings that a kubelet changes for the whole machine, not only inside of its namespaces. */
const SYSCTLS = [
  'vm/overcommit_memory',
  'kernel/panic',
  'kernel/panic_on_oops',
  'kernel/keys/root_maxkeys',
  'kernel/keys/root_maxbytes',
];

/** Records the settings of the machine. Returns a function that restores them and removes the cgroups of new Pods. */
export async function rememberMachine(): Promise<() => Promise<void>> {
  const values = await Promise.all(SYSCTLS.map(async (name) => [name, await readFile(`/proc/sys/${name}`, 'utf8')]));
  const before = await podCgroups();
  return async () => {
    for (const [name, value = ''] of values) await writeFile(`/proc/sys/${name}`, value);
    const added = (await podCgroups()).filter((folder) => !before.includes(folder));
    // Child cgroups first, because a cgroup with children cannot be removed. A process that ends can keep its cgroup
    // busy for a moment.
    for (const folder of added.toReversed()) await removeCgroup(folder);
  };
}

const GROUPS = '/sys/fs/cgroup';

/** Returns the cgroups of Pods and of their containers, parents first. */
export async function podCgroups(): Promise<readonly string[]> {
  const controllers = [GROUPS, ...(await folders(GROUPS))];
  const roots = controllers.map((folder) => join(folder, 'kubepods'));
  return (await Promise.all(roots.map(below))).flat();
}

async function below(folder: string): Promise<readonly string[]> {
  const inner = await folders(folder).catch(() => undefined);
  if (inner === undefined) return [];
  return [folder, ...(await Promise.all(inner.map(below))).flat()];
}

async function folders(folder: string): Promise<readonly string[]> {
  const entries = await readdir(folder, { withFileTypes: true });
  return entries.filter((entry) => entry.isDirectory()).map(({ name }) => join(folder, name));
}

async function removeCgroup(folder: string, tries = 20): Promise<void> {
  for (let nth = 1; ; nth += 1) {
    try {
      return await rmdir(folder);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
      if (nth === tries) throw error;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}
