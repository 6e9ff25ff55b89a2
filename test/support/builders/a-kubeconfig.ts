import { join } from 'node:path';
import type { TestContext } from 'node:test';
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
