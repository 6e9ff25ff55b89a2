import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { ensureBinaries } from './binaries.ts';
import { minorOf } from './go-module.ts';

/** The version of a kube-apiserver as it says itself, e.g. `v1.30.14`; by default that which the tests run against. */
export async function kubernetesVersion(apiServer?: string): Promise<string> {
  const file = apiServer ?? (await ensureBinaries(['kube-apiserver']))['kube-apiserver'];
  const { stdout } = await promisify(execFile)(file, ['--version']);
  return stdout.trim().replace(/^Kubernetes /, '');
}

/**
 * The MutatingAdmissionPolicy that a Kubernetes can serve: v1beta1 since 1.34, v1 since 1.36.
 *
 * @see https://kubernetes.io/docs/reference/access-authn-authz/mutating-admission-policy/
 */
export function servedPolicyVersion(version: string): 'v1' | 'v1beta1' | undefined {
  const number = Number(minorOf(version).split('.')[1]);
  if (number >= 36) return 'v1';
  return number >= 34 ? 'v1beta1' : undefined;
}

/** What kube-apiserver has to be told to serve it. */
export const policyArgs = (version: string): readonly string[] =>
  servedPolicyVersion(version) === 'v1beta1'
    ? ['--feature-gates=MutatingAdmissionPolicy=true', '--runtime-config=admissionregistration.k8s.io/v1beta1=true']
    : [];
