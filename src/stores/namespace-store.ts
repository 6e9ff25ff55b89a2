import type { V1Namespace } from '@kubernetes/client-node';
import { orFail } from '../kube/errors.ts';
import { OperatorError } from '../lib/errors.ts';
import { createWorkQueue } from '../lib/work-queue.ts';
import type { Labels } from '../policy/policy.ts';
import type { Clients } from './kube.ts';

/** Answers the labels of a namespace. */
export type NamespaceLabels = (namespace: string) => Promise<Labels>;

/** Reads a namespace from the API server. @throws OperatorError the `KUBE_…` codes, also where there is none. */
export const readNamespaceLabels =
  ({ callJson }: Pick<Clients, 'callJson'>): NamespaceLabels =>
  async (name) => {
    const what = `read Namespace ${name} (a rule with namespaceLabels needs manifests/components/namespaces)`;
    const { metadata } = (await orFail(callJson('GET', `/api/v1/namespaces/${name}`), what)) as V1Namespace;
    return metadata?.labels ?? {};
  };

/** Somebody who labels a namespace and then applies a Configuration is not to wait. */
const KEPT_MS = 5_000;
const MOST_KEPT = 1_000;

/** A stranger at the port can name as many namespaces as there can be: the API server is asked about so many at once. */
const CALLS = { concurrency: 16, most: 256 };

/** https://kubernetes.io/docs/concepts/overview/working-with-objects/namespaces/ */
const NAME = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/;

/**
 * Asks once for all that ask within 5 s; a failure is not kept. Names that no namespace can have, which only a stranger
 * at the port would send, have no labels. Where too many wait for their turn, one more fails with `KUBE_UNAVAILABLE`.
 */
export function cachedLabels(read: NamespaceLabels, now: () => Date): NamespaceLabels {
  const kept = new Map<string, { readonly atMs: number; readonly labels: Promise<Labels> }>();
  const calls = createWorkQueue(CALLS, new AbortController().signal);

  function readInTurn(name: string): Promise<Labels> {
    const { promise, resolve } = Promise.withResolvers<Labels>();
    const task = async () => {
      resolve(read(name));
      await promise.catch(() => {});
    };
    if (calls.add('', task)) return promise;
    const text = `cannot read Namespace ${name}: ${CALLS.most} others are to be read first`;
    return Promise.reject(new OperatorError('KUBE_UNAVAILABLE', text));
  }

  function ask(name: string): Promise<Labels> {
    const labels = readInTurn(name);
    const entry = { atMs: now().getTime(), labels };
    kept.delete(name);
    kept.set(name, entry);
    const [oldest] = kept.keys();
    if (kept.size > MOST_KEPT && oldest !== undefined) kept.delete(oldest);
    labels.catch(() => {
      if (kept.get(name) === entry) kept.delete(name);
    });
    return labels;
  }
  return async (name) => {
    if (!NAME.test(name)) return {};
    const known = kept.get(name);
    const ageMs = now().getTime() - (known?.atMs ?? 0);
    return known && ageMs >= 0 && ageMs < KEPT_MS ? known.labels : ask(name);
  };
}
