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

/** The settings of one run of Helm: its version, the cluster and the values. */
export interface HelmRun {
  /** Default: Helm 4. */
  readonly helm?: Helm;
  /** Default: no cluster, which is enough for a command that only renders. */
  readonly kubeconfig?: string;
  /** Values that override the defaults of the chart. */
  readonly values?: object;
}

/** Runs Helm without the configuration of the user and returns its stdout. Rejects with its stderr if it fails. */
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

/** JSON is YAML, except for characters that YAML treats as line breaks or rejects: those are escaped. */
const asYaml = (values: object): string =>
  JSON.stringify(values).replaceAll(
    /[\u007f-\ud7ff\ue000-\uffff]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );

const TAKES_VALUES = new Set(['install', 'lint', 'template', 'upgrade']);

/**
 * Returns the objects that `helm template` renders, without the objects of `helm test`.
 *
 * @param chart the folder of the chart, or of a chart that includes it as a subchart.
 */
export async function chartObjects(
  run: HelmRun,
  namespace = 'vela-system',
  chart = CHART,
): Promise<readonly KubernetesObject[]> {
  return objectsIn(await template(run, namespace, chart, '--skip-tests'));
}

/** Returns the objects of `helm test`. */
export const chartTestObjects = async (run: HelmRun, namespace = 'vela-system'): Promise<readonly KubernetesObject[]> =>
  objectsIn(await template(run, namespace, CHART, '--show-only=templates/test.yaml'));

/** Without a cluster, Helm renders for a Kubernetes version that depends on the build of Helm. */
const template = (run: HelmRun, namespace: string, ...args: readonly string[]): Promise<string> =>
  helm(run, 'template', 'release', ...args, '--namespace', namespace, '--kube-version', '1.37.0');

/** Returns the error with which Helm refuses the values. Rejects if Helm accepts them. */
export const chartRefusal = (run: HelmRun): Promise<string> =>
  chartObjects(run).then(
    () => Promise.reject(new Error(`Helm accepted the values ${JSON.stringify(run.values)}`)),
    (error: { readonly stderr: string }) => error.stderr,
  );

/**
 * Parses YAML documents and keeps every field. (`loadAllYaml` of client-node drops unknown fields.)
 *
 * @throws Error if the text is not YAML, or if YAML 1.1 (Kubernetes, Helm) and YAML 1.2 read different values from it.
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

/** Returns the options of the daemon that the environment of a container sets, by variable name. */
export const optionsOf = (container: V1Container | undefined): Readonly<Record<string, string>> =>
  Object.fromEntries(
    (container?.env ?? []).map(({ name, value = '' }) => [
      name.replace('TERRAFORM_DAEMON_', '').toLowerCase().replaceAll('_', '-'),
      value,
    ]),
  );

const key = ({ kind, metadata }: KubernetesObject): string => `${kind} ${metadata?.name}`;

/**
 * Returns the objects by kind and name, so that a comparison ignores their order.
 *
 * @throws Error if two objects have the same kind and name.
 */
export function byName(objects: readonly KubernetesObject[]): Readonly<Record<string, KubernetesObject>> {
  const named = Object.fromEntries(objects.map((object) => [key(object), object]));
  if (Object.keys(named).length !== objects.length) throw new Error('two objects have the same kind and name');
  return named;
}
