import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { dirname, join } from 'node:path';
import { ensureBinaries } from './binaries.ts';

/**
 * Runs kubectl and returns its stdout; builds kubectl first if it is missing. Rejects with its stderr if it fails.
 *
 * @param input written to its stdin, for `apply -f -`.
 */
export async function kubectl(kubeconfig: string, args: readonly string[], input = ''): Promise<string> {
  const binaries = await ensureBinaries(['kubectl']);
  const child = spawn(binaries.kubectl, args, {
    env: {
      ...process.env,
      KUBECONFIG: kubeconfig,
      KUBERC: 'off', // kubectl must not read the user's preferences (kuberc), because they could change a test
      // kubectl caches discovery by host and port, and an earlier control plane can have used the same port.
      KUBECACHEDIR: join(dirname(kubeconfig), 'kubectl-cache'),
    },
  });
  // kubectl can exit before it reads its input; then writing fails with EPIPE. The error that is thrown for the exit
  // code contains the stderr of kubectl.
  child.stdin.on('error', () => {});
  child.stdin.end(input);
  const closed = once(child, 'close');
  const [stdout, stderr] = await Promise.all([child.stdout.toArray(), child.stderr.toArray()]);
  await closed;
  if (child.exitCode === 0) return Buffer.concat(stdout).toString();
  const message = Buffer.concat(stderr).toString().trimEnd();
  throw new Error(`kubectl ${args.join(' ')} failed (${child.exitCode ?? child.signalCode}): ${message}`);
}
