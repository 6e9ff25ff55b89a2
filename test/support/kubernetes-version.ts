import { readGoModule } from '../control-plane/go-module.ts';

/** The minor version that the tests run against, e.g. `1.37`: that of the newest, unless `TEST_KUBERNETES` names another. */
export async function kubernetesMinor(): Promise<string> {
  const chosen = process.env.TEST_KUBERNETES;
  if (chosen) return chosen;
  const [, minor = ''] = /^v(\d+\.\d+)\./.exec((await readGoModule()).kubernetesVersion) ?? [];
  return minor;
}

/**
 * The MutatingAdmissionPolicy that a Kubernetes can serve: v1beta1 since 1.34, v1 since 1.36.
 *
 * @see https://kubernetes.io/docs/reference/access-authn-authz/mutating-admission-policy/
 */
export function servedPolicyVersion(minor: string): 'v1' | 'v1beta1' | undefined {
  const number = Number(minor.split('.')[1]);
  if (number >= 36) return 'v1';
  return number >= 34 ? 'v1beta1' : undefined;
}
