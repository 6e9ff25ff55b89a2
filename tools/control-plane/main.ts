import { dirname } from 'node:path';
import { readArguments } from '../arguments.ts';
import { ensureBinaries } from './binaries.ts';
import { chooseBinaries } from './binary-source.ts';
import { startControlPlane } from './control-plane.ts';
import { type Progress, stderrProgress } from './progress.ts';

/** Runs a control plane until SIGINT or SIGTERM. stdout receives only the `export` line for the shell. */
async function main(progress: Progress, signal: AbortSignal): Promise<void> {
  const names = ['etcd', 'kube-apiserver', 'kube-controller-manager', 'kubectl'] as const;
  await chooseBinaries(names, progress);
  const { kubectl } = await ensureBinaries(names, progress, signal);
  const controlPlane = await startControlPlane({ controllerManager: true, progress, signal });
  try {
    process.stdout.write(`export KUBECONFIG=${controlPlane.kubeconfig}\n`);
    progress(`The API server listens on ${controlPlane.url}. The logs are in ${dirname(controlPlane.kubeconfig)}.`);
    progress(`Run the export line above in another shell. kubectl: ${kubectl}`);
    progress('Ctrl-C stops the control plane and deletes its data.');
    await until(signal, controlPlane.failed);
  } finally {
    await controlPlane.stop();
  }
}

/** Resolves when the signal is aborted; rejects when the control plane fails. */
async function until(signal: AbortSignal, failed: Promise<string>): Promise<void> {
  const keepAlive = setInterval(() => {}, 60_000); // a timer, because child processes and signal handlers do not keep this process alive
  try {
    const interrupted = new Promise<undefined>((resolve) => {
      if (signal.aborted) resolve(undefined);
      else signal.addEventListener('abort', () => resolve(undefined));
    });
    const failure = await Promise.race([interrupted, failed]);
    if (failure !== undefined) throw new Error(failure);
  } finally {
    clearInterval(keepAlive);
  }
}

readArguments(`npm run control-plane

Starts etcd, kube-apiserver and kube-controller-manager until Ctrl-C, and prints an export line for KUBECONFIG.`);
const progress = stderrProgress();
const interruption = new AbortController();
interruption.signal.addEventListener('abort', () => progress('stopping'));
// `on`, not `once`: npm and the terminal can both forward the same Ctrl-C.
for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, () => interruption.abort());
try {
  await main(progress, interruption.signal);
} catch (error) {
  const isInterruption = error instanceof Error && error.name === 'AbortError';
  if (!isInterruption) {
    progress(error instanceof Error ? error.message : String(error));
    process.exitCode = 1;
  }
}
