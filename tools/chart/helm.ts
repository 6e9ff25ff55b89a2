import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { KubernetesObject, V1Container, V1Deployment } from '@kubernetes/client-node';
import { parseAllDocuments } from 'yaml';
import { ensureTool, type Helm } from '../control-plane/binaries.ts';
import { CHART } from './chart.ts';

/** Which Helm to run, and what to run it with. */
export interface HelmRun {
  /** Default: Helm 4. */
  readonly helm?: Helm;
  /** Default: none, for what needs no cluster. */
  readonly kubeconfig?: string;
  /** Values other than the chart's. */
  readonly values?: object;
}

/** Runs Helm with nothing of the user's own, and answers its stdout. Rejects with its stderr when it fails. */
export async function helm(
  { helm = 'helm4', kubeconfig = '/dev/null', values = {} }: HelmRun,
  ...args: readonly string[]
): Promise<string> {
  const file = await ensureTool(helm);
  const folder = await mkdtemp(join(tmpdir(), 'terraform-daemon-helm-'));
  try {
    const valuesFile = join(folder, 'values.json');
    await writeFile(valuesFile, asYaml(values));
    const withValues = TAKES_VALUES.has(args[0] ?? '') ? ['--values', valuesFile] : [];
    const { stdout } = await promisify(execFile)(file, [...args, ...withValues], {
      env: { PATH: process.env.PATH, HOME: folder, KUBECONFIG: kubeconfig },
    });
    return stdout;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** JSON is YAML, but for characters that only YAML takes for line breaks, or refuses. */
const asYaml = (values: object): string =>
  JSON.stringify(values).replaceAll(
    /[\u007f-\ud7ff\ue000-\uffff]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );

const TAKES_VALUES = new Set(['install', 'lint', 'template', 'upgrade']);

/**
 * `helm template`: what an install of the chart comes to.
 *
 * @param chart its folder, or that of a chart which has it as a part.
 */
export async function chartObjects(
  run: HelmRun,
  namespace = 'vela-system',
  chart = CHART,
): Promise<readonly KubernetesObject[]> {
  // Without a cluster Helm takes a version of its own, which depends on how it was built.
  const yaml = await helm(run, 'template', 'release', chart, '--namespace', namespace, '--kube-version', '1.37.0');
  return objectsIn(yaml);
}

/** Why Helm refuses the values. Rejects when it takes them. */
export const chartRefusal = (run: HelmRun): Promise<string> =>
  chartObjects(run).then(
    () => Promise.reject(new Error(`Helm took ${JSON.stringify(run.values)}`)),
    (error: { readonly stderr: string }) => error.stderr,
  );

/**
 * As they stand there: client-node's reader would leave out fields that it does not know. Rejects what is no YAML, and what
 * YAML 1.1, as Kubernetes and Helm read it, and 1.2 do not take for the same.
 */
export function objectsIn(yaml: string): readonly KubernetesObject[] {
  const [objects, older] = (['1.2', '1.1'] as const).map((version) =>
    parseAllDocuments(yaml, { version }).map((document) => {
      for (const error of document.errors) throw error;
      return document.toJS() as KubernetesObject;
    }),
  );
  assert.deepEqual(older, objects);
  return objects ?? [];
}

export const deploymentOf = (objects: readonly KubernetesObject[]) =>
  objects.find(({ kind }) => kind === 'Deployment') as V1Deployment;

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
