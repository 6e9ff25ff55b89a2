import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** What a go.mod says about the executables to build. */
export interface GoModule {
  readonly folder: string;
  /** Oldest Go that can build it, e.g. `1.26.0`. */
  readonly goVersion: string;
  /** With a leading `v`, as Kubernetes names its releases; for a tool, the version of the tool. */
  readonly kubernetesVersion: string;
  /** Changes with any module version: names the folder of the binaries built from them. */
  readonly key: string;
}

/**
 * Reads go.mod and go.sum, the only places where versions are written down.
 *
 * @param folder of the module; by default that of the newest Kubernetes, which has all components.
 * @param main the module in it whose version is that of what is built.
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

/** E.g. `1.30` of `v1.30.14`. */
export const minorOf = (version: string): string => /^v(\d+\.\d+)\./.exec(version)?.[1] ?? version;

/**
 * Linker flags that stamp the version: Kubernetes' own build scripts do it, a plain `go build` leaves `v0.0.0-master`.
 * Helm takes its own from go.mod; Go passes over a stamp for what is not there.
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
