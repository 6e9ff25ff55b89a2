import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { ensureBinaries } from './binaries.ts';
import { minorOf } from './go-module.ts';

/** Returns the version that a kube-apiserver binary reports, e.g. `v1.30.14`. Default: the binary of the tests. */
export async function kubernetesVersion(apiServer?: string): Promise<string> {
  const file = apiServer ?? (await ensureBinaries(['kube-apiserver']))['kube-apiserver'];
  const { stdout } = await promisify(execFile)(file, ['--version']);
  return stdout.trim().replace(/^Kubernetes /, '');
}

/**
 * Returns the API version of MutatingAdmissionPolicy that a Kubernetes serves: v1beta1 since 1.34, v1 since 1.36.
 *
 * @see https://kubernetes.io/docs/reference/access-authn-authz/mutating-admission-policy/
 */
export function servedPolicyVersion(version: string): 'v1' | 'v1beta1' | undefined {
  const number = Number(minorOf(version).split('.')[1]);
  if (number >= 36) return 'v1';
  return number >= 34 ? 'v1beta1' : undefined;
}

/** Returns the flags with which kube-apiserver serves MutatingAdmissionPolicy. */
export const policyArgs = (version: string): readonly string[] =>
  servedPolicyVersion(version) === 'v1beta1'
    ? ['--feature-gates=MutatingAdmissionPolicy=true', '--runtime-config=admissionregistration.k8s.io/v1beta1=true']
    : [];
