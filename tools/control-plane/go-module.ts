import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** The content of a go.mod that a build needs. */
export interface GoModule {
  readonly folder: string;
  /** The oldest Go version that can build the module, e.g. `1.26.0`. */
  readonly goVersion: string;
  /** Version of Kubernetes with a leading `v`; for a tool, the version of the tool. */
  readonly kubernetesVersion: string;
  /**
   * A text that changes if the version of any required module changes. The folder of the built binaries has this name.
   */
  readonly key: string;
}

/**
 * Reads go.mod and go.sum. No other file has the versions.
 *
 * @param folder the folder of the go.mod. Default: the folder of the newest Kubernetes, with all components.
 * @param main the required module whose version is returned as `kubernetesVersion`.
 */
export async function readGoModule(
  folder: string = import.meta.dirname,
  main = 'k8s.io/kubernetes',
): Promise<GoModule> {
  const [mod, sum] = await Promise.all([readFile(join(folder, 'go.mod')), readFile(join(folder, 'go.sum'))]);
  const text = mod.toString();
  const kubernetesVersion = only(text, new RegExp(`^\\s*${main.replaceAll('.', '\\.')} (v\\S+)`, 'm'));
  const digest = createHash('sha256').update(mod).update(sum).digest('hex').slice(0, 8);
  return { folder, goVersion: only(text, /^go (\S+)/m), kubernetesVersion, key: `${kubernetesVersion}-${digest}` };
}

/** Returns the minor version, e.g. `1.30` of `v1.30.14`. */
export const minorOf = (version: string): string => /^v(\d+\.\d+)\./.exec(version)?.[1] ?? version;

/**
 * Returns linker flags that set the version of Kubernetes binaries: without these flags a binary reports
 * `v0.0.0-master`. The flags have no effect on a tool, because Go ignores `-X` for a variable that does not exist.
 */
export function versionFlags(kubernetesVersion: string): string {
  const [major, minor] = kubernetesVersion.slice(1).split('.');
  const values = { gitVersion: kubernetesVersion, gitMajor: major, gitMinor: minor };
  const stamps = Object.entries(values).map(([name, value]) => `-X k8s.io/component-base/version.${name}=${value}`);
  return ['-s -w', ...stamps].join(' ');
}

function only(text: string, pattern: RegExp): string {
  const found = pattern.exec(text)?.[1];
  if (found === undefined) throw new Error(`go.mod has no line that matches ${pattern}`);
  return found;
}
