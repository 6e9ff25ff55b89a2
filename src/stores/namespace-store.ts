import type { V1Namespace } from '@kubernetes/client-node';
import { orFail } from '../kube/errors.ts';
import type { CallJson } from '../kube/requests.ts';
import type { Labels } from '../policy/policy.ts';

/** Resolves with the labels of a namespace. */
export type NamespaceLabels = (namespace: string) => Promise<Labels>;

/**
 * Returns a function that reads the labels of a namespace from the API server.
 *
 * @throws OperatorError with a `KUBE_…` code, also if the namespace does not exist.
 */
export const readNamespaceLabels =
  (callJson: CallJson): NamespaceLabels =>
  async (name) => {
    const what = `read Namespace ${name} (a policy with namespaceSelector needs manifests/components/namespaces or, with --backstop-namespaces, this right in the Role of the namespace)`;
    const { metadata } = (await orFail(callJson('GET', `/api/v1/namespaces/${name}`), what)) as V1Namespace;
    return metadata?.labels ?? {};
  };

/** Resolves with the phase of a namespace, `absent`, or `undefined` if this user cannot read it. */
export async function readNamespacePhase(callJson: CallJson, name: string): Promise<string | undefined> {
  try {
    return ((await callJson('GET', `/api/v1/namespaces/${name}`)) as V1Namespace).status?.phase;
  } catch (error) {
    return (error as { readonly code?: unknown }).code === 404 ? 'absent' : undefined;
  }
}

/**
 * Lifetime of cached labels: long enough for many Jobs of one list, and short enough for a user who has just labeled a
 * namespace.
 */
const KEPT_MS = 5_000;

/** Returns a reader that caches the labels of each namespace for 5 s. It does not cache a failure. */
export function cachedLabels(read: NamespaceLabels, uptimeMs: () => number): NamespaceLabels {
  const kept = new Map<string, { readonly untilMs: number; readonly labels: Promise<Labels> }>();
  return (namespace) => {
    const nowMs = uptimeMs();
    for (const [name, { untilMs }] of kept) if (untilMs <= nowMs) kept.delete(name);
    const known = kept.get(namespace);
    if (known !== undefined) return known.labels;
    const labels = read(namespace);
    kept.set(namespace, { untilMs: nowMs + KEPT_MS, labels });
    labels.catch(() => kept.delete(namespace));
    return labels;
  };
}
