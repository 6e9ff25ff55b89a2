import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { type GoModule, versionFlags } from './go-module.ts';
import type { Progress } from './progress.ts';

const REPORT_MS = 10_000;
const QUOTED_LINES = 15;

export interface GoBuild {
  readonly module: GoModule;
  /**
   * Import paths of Go commands. Each becomes a file that is named after the last path element that is not a version.
   */
  readonly packages: readonly string[];
  /**
   * Receives the binaries and the temporary files of Go, so that removing this folder removes everything after a killed
   * build.
   */
  readonly outputFolder: string;
  /** Whether the packages contain C, so that the build needs a C compiler. */
  readonly needsC: boolean;
  readonly progress: Progress;
  readonly signal: AbortSignal | undefined;
}

/** Rejects if Go is missing or too old to build the module. The error says what to install. */
export async function checkGo(module: GoModule, wanted: readonly string[]): Promise<void> {
  const advice =
    `Install Go ${module.goVersion} or newer to build ${wanted.join(', ')}, ` +
    'or set KUBEBUILDER_ASSETS to a folder with these executables.';
  const found = await run(module, ['env', 'GOVERSION']).catch((error: unknown) => {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') {
      throw new Error(`PATH has no "go". ${advice}`);
    }
    throw error;
  });
  const version = found.trim().replace(/^go/, '');
  if (version.localeCompare(module.goVersion, 'en', { numeric: true }) < 0) {
    throw new Error(`Go ${version} is too old. ${advice}`);
  }
}

/** Builds all packages with one `go build`. Rejects with the last lines of Go's output, or with the signal's reason. */
export async function goBuild({ module, packages, outputFolder, needsC, progress, signal }: GoBuild): Promise<void> {
  const startedAt = performance.now();
  let downloaded = 0;
  let compiled = 0;
  let total: number | undefined;
  const report = () => {
    const seconds = Math.round((performance.now() - startedAt) / 1000);
    const elapsed = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`;
    // Go does not compile packages that are in its build cache, so the number of compiled packages can stay below the
    // total.
    const done =
      total === undefined ? `${downloaded} modules downloaded` : `${compiled} of at most ${total} packages compiled`;
    progress(`building, ${elapsed} min: ${done}`, true);
  };
  const timer = setInterval(report, REPORT_MS);
  const onDownload = (line: string) => {
    if (line.startsWith('go: downloading')) downloaded++;
  };
  const onPackage = (line: string) => {
    if (!line.startsWith('go: ')) compiled++;
  };
  try {
    const env = { CGO_ENABLED: needsC ? '1' : '0' };
    const list = await run(module, ['list', '-mod=readonly', '-deps', ...packages], {
      onLine: onDownload,
      signal,
      env,
    });
    total = list.split('\n').length - 1;
    const flags = [
      '-mod=readonly',
      '-buildvcs=false',
      '-trimpath',
      // No DWARF, because the linker drops it anyway (-s -w); saves a tenth of the compile time.
      '-gcflags=all=-dwarf=false',
      `-ldflags=${versionFlags(module.kubernetesVersion)}`,
    ];
    await run(module, ['build', '-v', ...flags, '-o', `${outputFolder}/`, ...packages], {
      onLine: onPackage,
      signal,
      env: { ...env, GOTMPDIR: outputFolder },
    });
  } finally {
    clearInterval(timer);
  }
}

/** Returns the folder of a required module in Go's module cache. Go downloads the module if it is missing. */
export async function moduleFolder(module: GoModule, path: string): Promise<string> {
  return JSON.parse(await run(module, ['mod', 'download', '-json', path])).Dir;
}

interface RunOptions {
  readonly onLine?: (line: string) => void;
  readonly signal?: AbortSignal | undefined;
  readonly env?: Readonly<Record<string, string>>;
}

/** Runs `go` and returns its stdout; `onLine` receives each line of its stderr. */
async function run({ folder }: GoModule, args: readonly string[], options: RunOptions = {}): Promise<string> {
  const { onLine = () => {}, signal, env = {} } = options;
  signal?.throwIfAborted();
  const child = spawn('go', args, {
    cwd: folder,
    // A go.work above this repository must not change the build.
    env: { ...process.env, GOWORK: 'off', CGO_ENABLED: '0', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    // Detached makes a process group, so that a signal also reaches the compilers. If this process is killed, Go ends
    // with SIGPIPE when it prints the next package.
    detached: true,
  });
  const interrupt = () => {
    if (child.pid !== undefined && child.exitCode === null && child.signalCode === null) {
      process.kill(-child.pid, 'SIGINT');
    }
  };
  signal?.addEventListener('abort', interrupt);
  try {
    const ended = once(child, 'close');
    const [stdout, lastLines] = await Promise.all([text(child.stdout), follow(child.stderr, onLine), ended]);
    signal?.throwIfAborted();
    if (child.exitCode === 0) return stdout;
    throw new Error(`"go ${args[0]}" failed:\n${lastLines.join('\n')}`);
  } finally {
    signal?.removeEventListener('abort', interrupt);
  }
}

async function text(stream: Readable): Promise<string> {
  return Buffer.concat(await stream.toArray()).toString();
}

async function follow(stream: Readable, onLine: (line: string) => void): Promise<readonly string[]> {
  const lastLines: string[] = [];
  for await (const line of createInterface({ input: stream })) {
    onLine(line);
    lastLines.push(line);
    if (lastLines.length > QUOTED_LINES) lastLines.shift();
  }
  return lastLines;
}
