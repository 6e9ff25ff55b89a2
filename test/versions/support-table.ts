import { readFile } from 'node:fs/promises';
import { minorOf } from '../../tools/control-plane/go-module.ts';
import { servedPolicyVersion } from '../../tools/control-plane/kubernetes-version.ts';
import { projectFile } from '../support/docs.ts';

/** The results of the cluster tests with one Kubernetes version. */
export interface SupportRow {
  /** The full version, such as `v1.30.14`. */
  readonly version: string;
  readonly passed: number;
  readonly failed: number;
  /** The reason of each test that was skipped. */
  readonly skipped: readonly string[];
  /** Number of files that were run a second time after a failure. */
  readonly retried: number;
  /** The commit of this repository that was tested. */
  readonly commit: string;
}

export const SUPPORT_TABLE = projectFile('docs/reference/versions.md');
export const README = projectFile('README.md');

const HEAD = `# Kubernetes versions

Made for Kubernetes 1.30 and later. \`npm run test:versions\` runs the cluster tests against kube-apiserver and
kube-controller-manager of each version below, built from their Go modules, and writes the table; the newest version is part of
\`npm test\`. A test is skipped only if the version lacks the tested feature, and the table gives the reason. A test
file that fails runs a second time, and the second result counts, because a busy machine can exceed a bound of seconds.
The last column is the commit of this repository that was tested: rows of different commits can have different numbers of tests.

| Kubernetes | cluster tests | MutatingAdmissionPolicy | commit |
| --- | --- | --- | --- |
`;

const TAIL = `
Differences between the versions:

- **Match conditions** are stable since 1.30. The API server evaluates them, and calls the endpoint only for matching Jobs.
- **MutatingAdmissionPolicy** is needed only for the output of \`terraform-daemon policy\`. With 1.34 and 1.35 it is v1beta1
  (\`--api-version v1beta1\`), and only where the API server was started with
  \`--feature-gates=MutatingAdmissionPolicy=true --runtime-config=admissionregistration.k8s.io/v1beta1=true\`.
- **ValidatingAdmissionPolicy**, with which the install limits what its own ServiceAccount may write
  ([threat model](../explanation/threat-model.md)), is stable since 1.30. The tests send each patch that the component \`limit-patches\` must
  deny. Before 1.36 the API server itself refuses two of them of any user, and these two are skipped.

## Below 1.30

Not tested; this follows from the Kubernetes documentation.

| Kubernetes | what to expect |
| --- | --- |
| 1.28, 1.29 | Match conditions are a beta, on by default, and work. \`kubectl apply -f manifests/install.yaml\` refuses the two ValidatingAdmissionPolicy objects (\`no matches for kind\`) and makes the rest: leave \`secret-type.yaml\` out of the kustomization. |
| 1.27 | The API server drops \`matchConditions\` and sends every Job of the cluster to the endpoint, and the endpoint changes only Jobs of the policy. Each pass of the daemon finds the conditions missing and writes them again, less and less often: \`terraform_daemon_conflicts_total\` grows. |
| 1.26 and older | The API server refuses the registration, because the field is not in its schema. The daemon does not become ready, and logs \`KUBE_REJECTED\`: \`matchConditions: field not declared in schema\`, and says that the daemon needs version 1.30 or later. |
`;

const POLICIES = {
  v1: 'v1, on by default',
  v1beta1: 'v1beta1, behind a feature gate and `--runtime-config`',
  none: 'none, or alpha: not tested',
};

function rowText({ version, passed, failed, skipped, retried, commit }: SupportRow): string {
  const reasons = [...new Set(skipped)].join('; ');
  const counts = [
    `${passed} passed`,
    ...(failed > 0 ? [`**${failed} failed**`] : []),
    ...(retried > 0 ? [`${retried} of the test files in the second run`] : []),
    ...(skipped.length > 0 ? [`${skipped.length} skipped: ${reasons}`] : []),
  ];
  return `| ${version} | ${counts.join(', ')} | ${POLICIES[servedPolicyVersion(version) ?? 'none']} | ${commit} |`;
}

const UNTRIED = 'not tried yet';

const untried = (version: string) =>
  `| ${version} | ${UNTRIED} | ${POLICIES[servedPolicyVersion(version) ?? 'none']} | none |`;

/**
 * Returns the document with a row for each version. Rows that are not given are kept from the existing text.
 *
 * @param versions full version by minor version, in the order of the table.
 */
export function supportDocument(
  rows: readonly SupportRow[],
  existing: string,
  versions: ReadonlyMap<string, string>,
): string {
  const known = new Map(supportedIn(existing));
  for (const row of rows) known.set(minorOf(row.version), rowText(row));
  const lines = [...versions].map(([minor, version]) => known.get(minor) ?? untried(version));
  return `${HEAD}${lines.map((line) => `${line}\n`).join('')}${TAIL}`;
}

/** Returns minor version and text of each row of the table. */
export const supportedIn = (text: string): readonly (readonly [minor: string, row: string])[] =>
  [...text.matchAll(/^\| v(\d+\.\d+)\..*$/gm)].map(([row, minor = '']) => [minor, row] as const);

/**
 * Returns the sentence for the README with the versions that passed. The newest version counts as passed without a row,
 * because `npm test` uses it.
 */
export function supportSentence(table: string, versions: ReadonlyMap<string, string>): string {
  const rows = new Map(supportedIn(table));
  const newest = [...versions.values()].at(-1);
  const isGood = (version: string, row = UNTRIED) =>
    row.includes(UNTRIED) ? version === newest : !row.includes(' failed**');
  const names = [...versions].filter(([minor, version]) => isGood(version, rows.get(minor))).map(([, name]) => name);
  const list = [names.slice(0, -1).join(', '), ...names.slice(-1)].filter((part) => part !== '').join(' and ');
  return `Made for Kubernetes ${[...versions.keys()][0]} and later, and tried with ${list}: [docs/reference/versions.md](docs/reference/versions.md).`;
}

/** Returns the README with its sentence about versions replaced. */
export const withSentence = (readme: string, sentence: string): string =>
  readme.replace(/^Made for Kubernetes .*$/m, () => sentence);

export const existingDocument = (): Promise<string> => readFile(SUPPORT_TABLE, 'utf8').catch(() => '');
