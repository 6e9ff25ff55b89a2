import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { KubernetesObject, V1Container } from '@kubernetes/client-node';
import { parseAllDocuments } from 'yaml';
import { CHART } from '../../scripts/chart.ts';
import { ensureHelm, type Helm } from '../control-plane/binaries.ts';

/** Which Helm to run, and what to run it with. */
export interface HelmRun {
  readonly helm: Helm;
  /** Default: none, for what needs no cluster. */
  readonly kubeconfig?: string;
  /** Values other than the chart's. */
  readonly values?: object;
}

/** Runs Helm with nothing of the user's own, and answers its stdout. Rejects with its stderr when it fails. */
export async function helm(
  { helm, kubeconfig = '/dev/null', values = {} }: HelmRun,
  ...args: readonly string[]
): Promise<string> {
  const file = await ensureHelm(helm);
  const folder = await mkdtemp(join(tmpdir(), 'terraform-daemon-helm-'));
  try {
    const valuesFile = join(folder, 'values.json'); // JSON is YAML
    await writeFile(valuesFile, JSON.stringify(values));
    const withValues = TAKES_VALUES.has(args[0] ?? '') ? ['--values', valuesFile] : [];
    const { stdout } = await promisify(execFile)(file, [...args, ...withValues], {
      env: { PATH: process.env.PATH, HOME: folder, KUBECONFIG: kubeconfig },
    });
    return stdout;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

const TAKES_VALUES = new Set(['install', 'lint', 'template', 'upgrade']);

/** `helm template`: what an install of the chart comes to. */
export async function chartObjects(run: HelmRun, namespace = 'vela-system'): Promise<readonly KubernetesObject[]> {
  // Without a cluster Helm takes a version of its own, which depends on how it was built.
  const yaml = await helm(run, 'template', 'release', CHART, '--namespace', namespace, '--kube-version', '1.37.0');
  return objectsIn(yaml);
}

/** As they stand there: client-node's reader would leave out fields that it does not know. */
export const objectsIn = (yaml: string): readonly KubernetesObject[] =>
  parseAllDocuments(yaml).map((document) => document.toJS() as KubernetesObject);

/** The options of the daemon that a container has in its environment, by their names. */
export const optionsOf = (container: V1Container | undefined): Readonly<Record<string, string>> =>
  Object.fromEntries(
    (container?.env ?? []).map(({ name, value = '' }) => [
      name.replace('TERRAFORM_DAEMON_', '').toLowerCase().replaceAll('_', '-'),
      value,
    ]),
  );

const key = ({ kind, metadata }: KubernetesObject): string => `${kind} ${metadata?.name}`;

/** Objects by kind and name: their order means nothing. Rejects when two are the same. */
export function byName(objects: readonly KubernetesObject[]): Readonly<Record<string, KubernetesObject>> {
  const named = Object.fromEntries(objects.map((object) => [key(object), object]));
  if (Object.keys(named).length !== objects.length) throw new Error('two objects of one kind have one name');
  return named;
}
