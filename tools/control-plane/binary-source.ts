import { execFile } from 'node:child_process';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';
import { cachePath } from '../cache-path.ts';
import { areBuilt, assetsFolder, type Binary, ensureTool, missing } from './binaries.ts';
import { checkGo } from './go-build.ts';
import { readGoModule } from './go-module.ts';
import type { Progress } from './progress.ts';

/** The newest version in the index. */
const VERSION = '1.36.2';
/** The index has the checksum of each archive. The URL names a commit, so that no checksum can change. */
const INDEX =
  'https://raw.githubusercontent.com/kubernetes-sigs/controller-tools/434758187dddcaf646276fbe2c2ba40ff4e859d5/envtest-releases.yaml';
/** The files of an archive. */
const ARCHIVE: readonly Binary[] = ['etcd', 'kube-apiserver', 'kubectl'];

const ANSWER_MS = 10_000; // a network that drops packets must not delay the build for longer
const DOWNLOAD_MS = 300_000;
const VERSION_MS = 60_000; // a system can scan a new program before it starts

interface Folder {
  readonly path: string;
  /** The versions of the binaries, for people. */
  readonly versions: string;
}

export interface Findings {
  readonly names: readonly Binary[];
  /** The folder of `KUBEBUILDER_ASSETS`, or `undefined` if the variable is not set. */
  readonly assets: Folder | undefined;
  /** Whether the binaries of an earlier build are in the cache folder of the user. */
  readonly areBuilt: boolean;
  /** What setup-envtest downloaded, or why it failed. `undefined` before the download. */
  readonly envtest: Folder | { readonly failure: string } | undefined;
}

export interface Source {
  readonly from: 'KUBEBUILDER_ASSETS' | 'setup-envtest' | 'Go modules';
  readonly reason: string;
  /** The folder with the binaries, or `undefined` if they must be downloaded or built, or are in the cache. */
  readonly folder?: Folder;
}

/** Decides where the named binaries come from. */
export function decideSource({ names, assets, areBuilt, envtest }: Findings): Source {
  const build = (reason: string): Source => ({ from: 'Go modules', reason });
  if (assets !== undefined) return { from: 'KUBEBUILDER_ASSETS', reason: 'the variable is set', folder: assets };
  if (areBuilt) return build('an earlier build is in the cache');
  const others = names.filter((name) => !ARCHIVE.includes(name));
  if (others.length > 0) return build(`setup-envtest has no ${others.join(' and no ')}`);
  if (envtest !== undefined && 'failure' in envtest) return build(`the download failed: ${envtest.failure}`);
  const reason = 'KUBEBUILDER_ASSETS is not set and no earlier build is in the cache';
  return { from: 'setup-envtest', reason, ...(envtest && { folder: envtest }) };
}

/**
 * Chooses where the named binaries come from, and prints one line with the choice and the reason. Sets
 * `KUBEBUILDER_ASSETS` of this process to a downloaded folder, so that `ensureBinaries` uses it.
 *
 * @param index the URL of the index of setup-envtest.
 * @throws Error if `KUBEBUILDER_ASSETS` lacks a binary, or if Go is needed and missing.
 */
export async function chooseBinaries(names: readonly Binary[], progress: Progress, index = INDEX): Promise<void> {
  const findings = { names, assets: await assetsOf(names), areBuilt: await areBuilt(names), envtest: undefined };
  let source = decideSource(findings);
  if (source.from === 'setup-envtest') {
    source = decideSource({ ...findings, envtest: await download(names, progress, index) });
  }
  const { from, reason, folder } = source;
  // A download can have failed because Go is missing. The error of checkGo then has the next step.
  if (from === 'Go modules' && !findings.areBuilt) await checkGo(await readGoModule(), names);
  if (folder !== undefined) process.env.KUBEBUILDER_ASSETS = folder.path;
  const versions = folder === undefined ? '' : ` (${folder.versions})`;
  progress(`${new Intl.ListFormat('en').format(names)} come from ${from}, because ${reason}${versions}`);
}

async function assetsOf(names: readonly Binary[]): Promise<Folder | undefined> {
  const folder = await assetsFolder();
  return folder === undefined
    ? undefined
    : withVersions(folder, names).catch(({ message }: Error) => {
        const value = JSON.stringify(process.env.KUBEBUILDER_ASSETS);
        throw new Error(`KUBEBUILDER_ASSETS: invalid value ${value}: ${message}`);
      });
}

async function download(
  names: readonly Binary[],
  progress: Progress,
  index: string,
): Promise<Folder | { readonly failure: string }> {
  try {
    const program = await ensureTool('setup-envtest', progress);
    const flags = [VERSION, `--index=${index}`, `--bin-dir=${cachePath('envtest')}`, '--print=path'];
    const installed = await output(ANSWER_MS, program, ['use', '--installed-only', ...flags])
      .then((path) => withVersions(path, names))
      .catch(() => undefined);
    if (installed !== undefined) return installed;
    // The download takes minutes on a slow network, so another command shows first that the host answers.
    await output(ANSWER_MS, program, ['list', ...flags]);
    progress(`setup-envtest downloads Kubernetes ${VERSION}`);
    // An interrupted download leaves an incomplete folder, which only --force replaces.
    return await withVersions(await output(DOWNLOAD_MS, program, ['use', '--force', ...flags]), names);
  } catch (error) {
    return { failure: (error instanceof Error ? error.message : String(error)).replaceAll(/\s+/g, ' ') };
  }
}

/** Runs each binary. Rejects if a binary is missing or cannot be executed. */
async function withVersions(path: string, names: readonly Binary[]): Promise<Folder> {
  const absent = await missing(path, names);
  if (absent.length > 0) throw new Error(`must have the executables ${names.join(', ')}: no ${absent.join(', no ')}`);
  const versions = names.map(async (name) => {
    const args = name === 'kubectl' ? ['version', '--client'] : ['--version'];
    const [version] = /\d+\.\d+\.\d+\S*/.exec(await output(VERSION_MS, join(path, name), args)) ?? [];
    return `${name} ${version}`;
  });
  return { path, versions: (await Promise.all(versions)).join(', ') };
}

/** Returns the stdout of a program. If the program fails, the error has its stderr. */
async function output(withinMs: number, program: string, args: readonly string[]): Promise<string> {
  const run = promisify(execFile)(program, args, { timeout: withinMs });
  const { stdout } = await run.catch(({ message, killed, stderr }) => {
    const timeout = killed && `no answer within ${withinMs / 1000} s`;
    throw new Error(`${basename(program)}: ${timeout || stderr?.trim() || message}`);
  });
  return stdout.trim();
}
