import type { V1Namespace } from '@kubernetes/client-node';
import { orFail } from '../kube/errors.ts';
import type { CallJson } from '../kube/requests.ts';
import type { Labels } from '../policy/policy.ts';

/** Answers the labels of a namespace. */
export type NamespaceLabels = (namespace: string) => Promise<Labels>;

/** Reads a namespace from the API server. @throws OperatorError the `KUBE_…` codes, also if there is no such namespace. */
export const readNamespaceLabels =
  (callJson: CallJson): NamespaceLabels =>
  async (name) => {
    const what = `read Namespace ${name} (a policy with namespaceSelector needs manifests/components/namespaces)`;
    const { metadata } = (await orFail(callJson('GET', `/api/v1/namespaces/${name}`), what)) as V1Namespace;
    return metadata?.labels ?? {};
  };

/** Long enough for a list of Jobs, in which a namespace comes many times; short for a person who labels a namespace. */
const KEPT_MS = 5_000;

/** Reads a namespace at most once in 5 s. A failure is not kept. */
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
