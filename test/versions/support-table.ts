import { projectFile } from '../support/docs.ts';

/** What the cluster tests say of one Kubernetes. */
export interface SupportRow {
  /** E.g. `v1.30.14`. */
  readonly version: string;
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  /** Of MutatingAdmissionPolicy, as tried. */
  readonly policy: 'v1' | 'v1beta1' | undefined;
}

export const SUPPORT_TABLE = projectFile('docs/versions.md');

const HEAD = `# Kubernetes versions

Written by \`npm run test:versions\`, which runs the cluster tests against kube-apiserver and kube-controller-manager of each
version, built from their Go modules. A test is skipped only where the version does not have what it is about.

| Kubernetes | cluster tests | match conditions | MutatingAdmissionPolicy |
| --- | --- | --- | --- |
`;

const POLICIES = {
  v1: 'v1, always there',
  v1beta1: 'v1beta1, behind the feature gate `MutatingAdmissionPolicy` and `--runtime-config`',
  none: 'not tried: there is none, or an alpha',
};

export function supportTable(rows: readonly SupportRow[]): string {
  const lines = rows.map(({ version, passed, failed, skipped, policy }) => {
    const counts = [
      `${passed} passed`,
      ...(failed > 0 ? [`**${failed} failed**`] : []),
      ...(skipped > 0 ? [`${skipped} skipped`] : []),
    ];
    return `| ${version} | ${counts.join(', ')} | stable | ${POLICIES[policy ?? 'none']} |\n`;
  });
  return `${HEAD}${lines.join('')}`;
}
