import { type ChildProcessByStdio, execFile, spawn } from 'node:child_process';
import { delimiter, dirname, join } from 'node:path';
import type { Readable } from 'node:stream';
import { ensureBinaries } from '../../../tools/control-plane/binaries.ts';
import { projectFile } from '../docs.ts';
import { onTerminal, type TerminalOutput } from '../pseudo-terminal.ts';
import type { Ended } from './command.ts';

/** The kubectl plugin as a user runs it: kubectl finds it in `$PATH`. */
export interface KubectlPlugin {
  /** Runs kubectl with the arguments. */
  readonly kubectl: (...args: readonly string[]) => Promise<Ended>;
  /** Runs `kubectl terraform-daemon` with the arguments. */
  readonly run: (...args: readonly string[]) => Promise<Ended>;
  /** Runs `kubectl terraform-daemon` on a pseudo-terminal. */
  readonly onTerminal: (...args: readonly string[]) => Promise<TerminalOutput>;
  /** Starts the script of the plugin with a shell, in its own process group, as a terminal does. */
  readonly start: (shell: string, ...args: readonly string[]) => ChildProcessByStdio<null, null, Readable>;
}

export async function kubectlPlugin(kubeconfig: string): Promise<KubectlPlugin> {
  const binaries = await ensureBinaries(['kubectl']);
  const env = {
    PATH: [projectFile('kubectl-plugin'), dirname(binaries.kubectl), process.env.PATH].join(delimiter),
    KUBECONFIG: kubeconfig,
    KUBERC: 'off',
    KUBECACHEDIR: join(dirname(kubeconfig), 'kubectl-cache'),
  };
  const kubectl = (...args: readonly string[]): Promise<Ended> =>
    new Promise((resolve) => {
      execFile(binaries.kubectl, args, { env }, (error, stdout, stderr) =>
        resolve({ exitCode: error === null ? 0 : Number(error.code), stdout, stderr }),
      );
    });
  const script = projectFile('kubectl-plugin/kubectl-terraform_daemon');
  return {
    kubectl,
    run: (...args) => kubectl('terraform-daemon', ...args),
    onTerminal: (...args) => onTerminal([binaries.kubectl, 'terraform-daemon', ...args], { env }),
    start: (shell, ...args) =>
      spawn(shell, [script, ...args], { env, detached: true, stdio: ['ignore', 'ignore', 'pipe'] }),
  };
}
