import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { type Kubeconfig, readKubeconfig } from '../../../src/kube/kubeconfig.ts';
import { aFolder } from './a-folder.ts';

/** Writes a kubeconfig and returns its path. By default, no API server listens at its address. */
export async function aKubeconfig(
  t: TestContext,
  cluster: object = { server: 'https://127.0.0.1:1' },
): Promise<string> {
  const kubeconfig = JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'none', cluster }],
    contexts: [{ name: 'none', context: { cluster: 'none', user: 'nobody' } }],
    users: [{ name: 'nobody', user: {} }],
    'current-context': 'none',
  });
  return join(await aFolder(t, { kubeconfig }), 'kubeconfig');
}

/** Reads a kubeconfig for `connect`. */
export function readValidKubeconfig(file: string): Kubeconfig {
  const read = readKubeconfig(file);
  if ('value' in read) return read.value;
  throw new Error(read.problems.join('\n'));
}
