import { access, constants, readdir, rename, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { cachePath } from '../cache-path.ts';
import { inBuildFolder } from './build-folder.ts';
import { checkGo, goBuild, moduleFolder } from './go-build.ts';
import { type GoModule, minorOf, readGoModule } from './go-module.ts';
import { type Progress, stderrProgress } from './progress.ts';

export type Binary =
  | 'etcd'
  | 'kube-apiserver'
  | 'kube-controller-manager'
  | 'kubectl'
  | 'kube-proxy'
  | 'kube-scheduler'
  | 'kubelet';

/**
 * The two versions of Helm. The support of Helm 3 ended in November 2026, but users still have it: one test compares
 * the output of both.
 */
export type Helm = 'helm3' | 'helm4';

/** The two versions of terraform-controller that users have: the last release, and the last commit of its main branch. */
export type TerraformController = 'terraform-controller-v0.8.0' | 'terraform-controller-master';

/** A program that is built from its own go.mod, not from the go.mod of Kubernetes. */
export type Tool = Helm | TerraformController | 'actionlint' | 'cue' | 'setup-envtest' | 'vale';

const TERRAFORM_CONTROLLER = 'github.com/oam-dev/terraform-controller';
const SETUP_ENVTEST = 'sigs.k8s.io/controller-runtime/tools/setup-envtest';

interface Command {
  readonly package: string;
  /** The name that `go build` gives the executable. */
  readonly file: string;
}

const COMMANDS: Readonly<Record<Binary | Tool, Command>> = {
  etcd: { package: 'go.etcd.io/etcd/server/v3', file: 'server' },
  'kube-apiserver': { package: 'k8s.io/kubernetes/cmd/kube-apiserver', file: 'kube-apiserver' },
  'kube-controller-manager': {
    package: 'k8s.io/kubernetes/cmd/kube-controller-manager',
    file: 'kube-controller-manager',
  },
  kubectl: { package: 'k8s.io/kubernetes/cmd/kubectl', file: 'kubectl' },
  'kube-proxy': { package: 'k8s.io/kubernetes/cmd/kube-proxy', file: 'kube-proxy' },
  'kube-scheduler': { package: 'k8s.io/kubernetes/cmd/kube-scheduler', file: 'kube-scheduler' },
  kubelet: { package: 'k8s.io/kubernetes/cmd/kubelet', file: 'kubelet' },
  helm3: { package: 'helm.sh/helm/v3/cmd/helm', file: 'helm' },
  helm4: { package: 'helm.sh/helm/v4/cmd/helm', file: 'helm' },
  'terraform-controller-v0.8.0': { package: TERRAFORM_CONTROLLER, file: 'terraform-controller' },
  'terraform-controller-master': { package: TERRAFORM_CONTROLLER, file: 'terraform-controller' },
  actionlint: { package: 'github.com/rhysd/actionlint/cmd/actionlint', file: 'actionlint' },
  cue: { package: 'cuelang.org/go/cmd/cue', file: 'cue' },
  'setup-envtest': { package: SETUP_ENVTEST, file: 'setup-envtest' },
  vale: { package: 'github.com/errata-ai/vale/v3/cmd/vale', file: 'vale' },
};

/**
 * The binaries that one `go build` makes together. With small groups a test can start when its own binaries are built.
 */
const GROUPS: readonly { readonly names: readonly Binary[]; readonly minutes: string }[] = [
  { names: ['etcd', 'kube-apiserver'], minutes: '5 to 10' },
  { names: ['kube-controller-manager', 'kubectl'], minutes: '2 to 5' },
  { names: ['kubelet', 'kube-proxy', 'kube-scheduler'], minutes: '1 to 3' },
];

/**
 * Returns the absolute paths of the named binaries. If `KUBEBUILDER_ASSETS` is set, binaries in that folder are used. A
 * missing binary is built from the go.mod beside this file, once, into the cache folder of the user. Several processes
 * can call this at once: one builds, the others wait.
 *
 * @param progress default: lines on stderr. Receives nothing if nothing is built.
 */
export async function ensureBinaries<Name extends Binary>(
  names: readonly Name[],
  progress: Progress = stderrProgress(),
  signal?: AbortSignal,
): Promise<Record<Name, string>> {
  const module = await readGoModule();
  const cache = cacheFolder(module);
  const assets = await assetsFolder();
  const absent = new Set<Binary>(assets === undefined ? names : await missing(assets, names));
  for (const { names: group, minutes } of GROUPS) {
    const wanted = group.filter((name) => absent.has(name));
    await ensureBuilt({ module, cache, wanted, minutes, progress, signal });
  }
  const paths = names.map((name) => [name, join(absent.has(name) || assets === undefined ? cache : assets, name)]);
  return Object.fromEntries(paths) as Record<Name, string>;
}

/** Returns whether the cache folder of the user has the named binaries. */
export async function areBuilt(names: readonly Binary[]): Promise<boolean> {
  return (await missing(cacheFolder(await readGoModule()), names)).length === 0;
}

const VERSIONS = join(import.meta.dirname, 'versions');
const OLDER: readonly Binary[] = ['kube-apiserver', 'kube-controller-manager'];

/**
 * Returns the Kubernetes versions that have a go.mod, from minor (`1.30`) to full version (`v1.30.14`), oldest first.
 */
export async function allVersions(): Promise<ReadonlyMap<string, string>> {
  const older = (await readdir(VERSIONS)).toSorted((one, other) => one.localeCompare(other, 'en', { numeric: true }));
  const modules = [...older.map((minor) => readGoModule(join(VERSIONS, minor))), readGoModule()];
  return new Map((await Promise.all(modules)).map(({ kubernetesVersion: version }) => [minorOf(version), version]));
}

/**
 * Builds kube-apiserver and kube-controller-manager of an older Kubernetes if they are missing. Set
 * `KUBEBUILDER_ASSETS` to the returned `assets` to use them; all other binaries are of the newest version.
 *
 * @param minor a key of `allVersions`, except the newest.
 */
export async function ensureOlderBinaries(
  minor: string,
  progress: Progress = stderrProgress(),
): Promise<{ readonly assets: string; readonly version: string }> {
  const module = await readGoModule(join(VERSIONS, minor));
  const assets = cacheFolder(module);
  await ensureBuilt({ module, cache: assets, wanted: OLDER, minutes: '3 to 6', progress, signal: undefined });
  return { assets, version: module.kubernetesVersion };
}

/** The folder of the go.mod, and the module whose version is the version of the tool. */
const TOOL_MODULES: Readonly<Record<Tool, { readonly folder: string; readonly main: string }>> = {
  helm3: { folder: 'helm', main: 'helm.sh/helm/v3' },
  helm4: { folder: 'helm', main: 'helm.sh/helm/v4' },
  'terraform-controller-v0.8.0': { folder: 'terraform-controller/v0.8.0', main: TERRAFORM_CONTROLLER },
  'terraform-controller-master': { folder: 'terraform-controller/master', main: TERRAFORM_CONTROLLER },
  actionlint: { folder: '../workflows', main: 'github.com/rhysd/actionlint' },
  cue: { folder: '../addon', main: 'cuelang.org/go' },
  'setup-envtest': { folder: 'setup-envtest', main: SETUP_ENVTEST },
  vale: { folder: '../prose', main: 'github.com/errata-ai/vale/v3' },
};

/** Returns the absolute path of a tool. A tool that is missing is built once, into the cache folder of the user. */
export async function ensureTool(name: Tool, progress: Progress = stderrProgress()): Promise<string> {
  const assets = await assetsFolder();
  if (assets !== undefined && (await missing(assets, [name])).length === 0) return join(assets, name);
  const module = await toolModule(name);
  const cache = cacheFolder(module);
  await ensureBuilt({ module, cache, wanted: [name], minutes: 'up to 3', progress, signal: undefined });
  return join(cache, name);
}

/** Returns the folder with the sources of a tool in Go's module cache. Go downloads the sources if they are missing. */
export async function toolSources(name: Tool): Promise<string> {
  return moduleFolder(await toolModule(name), TOOL_MODULES[name].main);
}

function toolModule(name: Tool): Promise<GoModule> {
  const { folder, main } = TOOL_MODULES[name];
  return readGoModule(join(import.meta.dirname, folder), main);
}

interface GroupBuild {
  readonly module: GoModule;
  readonly cache: string;
  readonly wanted: readonly (Binary | Tool)[];
  readonly minutes: string;
  readonly progress: Progress;
  readonly signal: AbortSignal | undefined;
}

async function ensureBuilt({ module, cache, wanted, minutes, progress, signal }: GroupBuild): Promise<void> {
  if ((await missing(cache, wanted)).length === 0) return;
  await checkGo(module, wanted);
  const onWait = (seconds: number) =>
    progress(`waiting ${seconds} s for another process that builds the same binaries`, true);
  await inBuildFolder(cache, { onWait, signal }, async (outputFolder) => {
    // Another process can have built the binaries while this process waited for the build folder, so they are checked
    // again.
    const names = await missing(cache, wanted);
    if (names.length === 0) return;
    progress(
      `building ${names.join(' and ')} ${module.kubernetesVersion}, because ${cache} does not have them; ` +
        `the first build takes ${minutes} minutes on two cores`,
    );
    const startedAt = performance.now();
    const packages = names.map((name) => COMMANDS[name].package);
    // Only Vale needs C: its parsers of comments are written in C.
    await goBuild({ module, packages, outputFolder, needsC: names.includes('vale'), progress, signal });
    for (const name of names) await rename(join(outputFolder, COMMANDS[name].file), join(cache, name));
    progress(`built ${names.join(' and ')} in ${Math.round((performance.now() - startedAt) / 1000)} s`);
  });
}

/** Returns the names of the files that the folder does not have as executables. */
export async function missing<Name extends Binary | Tool>(
  folder: string,
  names: readonly Name[],
): Promise<readonly Name[]> {
  const found = await Promise.all(names.map((name) => isExecutable(join(folder, name))));
  return names.filter((_, index) => !found[index]);
}

/**
 * Returns the folder of `KUBEBUILDER_ASSETS`.
 *
 * @throws Error if the variable does not name a folder: to build everything instead would hide the mistake.
 */
export async function assetsFolder(): Promise<string | undefined> {
  const value = process.env.KUBEBUILDER_ASSETS;
  if (value === undefined || value === '') return undefined;
  const folder = resolve(value);
  const isFolder = await stat(folder).then(
    (found) => found.isDirectory(),
    () => false,
  );
  if (!isFolder) throw new Error(`KUBEBUILDER_ASSETS: invalid value ${JSON.stringify(value)}: must be a folder`);
  return folder;
}

const cacheFolder = ({ key }: GoModule): string => cachePath('control-plane', key);

function isExecutable(file: string): Promise<boolean> {
  return access(file, constants.X_OK).then(
    () => true,
    () => false,
  );
}
