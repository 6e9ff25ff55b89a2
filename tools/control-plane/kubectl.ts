import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { dirname, join } from 'node:path';
import { ensureBinaries } from './binaries.ts';

/**
 * Runs kubectl and answers its stdout; builds it first if need be. Rejects with its stderr when it fails.
 *
 * @param input goes to its stdin, for `apply -f -`.
 */
export async function kubectl(kubeconfig: string, args: readonly string[], input = ''): Promise<string> {
  const binaries = await ensureBinaries(['kubectl']);
  const child = spawn(binaries.kubectl, args, {
    env: {
      ...process.env,
      KUBECONFIG: kubeconfig,
      KUBERC: 'off', // the user's own preferences must not change a test
      // Discovery is cached by host and port; a port may have belonged to another control plane before.
      KUBECACHEDIR: join(dirname(kubeconfig), 'kubectl-cache'),
    },
  });
  child.stdin.on('error', () => {}); // kubectl may end without having read its input: its stderr says why
  child.stdin.end(input);
  const closed = once(child, 'close');
  const [stdout, stderr] = await Promise.all([child.stdout.toArray(), child.stderr.toArray()]);
  await closed;
  if (child.exitCode === 0) return Buffer.concat(stdout).toString();
  const message = Buffer.concat(stderr).toString().trimEnd();
  throw new Error(`kubectl ${args.join(' ')} failed (${child.exitCode ?? child.signalCode}): ${message}`);
}
