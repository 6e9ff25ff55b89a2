import { Agent, get } from 'node:https';
import { text } from 'node:stream/consumers';
import { readApiCredentials } from '../support/cluster/api-credentials.ts';
import { watchesIn } from './process-sample.ts';

/** Returns a function that reads from the metrics of the API server how many watches it serves. */
export async function watchCounter(kubeconfig: string): Promise<() => Promise<number>> {
  const { host, port, tls, headers } = await readApiCredentials(kubeconfig);
  const agent = new Agent({ ...tls, keepAlive: false });
  return () =>
    new Promise((resolve, reject) => {
      get({ host, port, agent, headers, path: '/metrics' }, (response) => {
        text(response).then((metrics) => resolve(watchesIn(metrics)), reject);
      }).on('error', reject);
    });
}
