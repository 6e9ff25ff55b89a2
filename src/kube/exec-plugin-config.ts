import { accessSync, constants, readFileSync } from 'node:fs';
import { delimiter, dirname, join, resolve, sep } from 'node:path';
import { asObject, type JsonObject } from '../lib/json.ts';
import { invalidValue, oneLine, truncate } from '../lib/text.ts';
import { API_VERSIONS, type ExecPlugin, INTERACTIVE_MODES } from './exec-plugin.ts';
import { asList, type Current, createFieldReader, type Environment, type Problems } from './kubeconfig-files.ts';

/** Reads and checks `users[].user.exec`. The caller has checked the cluster. */
export function readExec(env: Environment, { cluster, user }: Current, problems: Problems): ExecPlugin | undefined {
  const exec = { file: user.file, path: `${user.path}.exec`, fields: asObject(user.fields.exec) };
  const { text, flag, list, report } = createFieldReader(exec, problems);
  const apiVersion = API_VERSIONS.find((version) => version === exec.fields.apiVersion);
  if (!apiVersion) report('apiVersion', invalidValue(exec.fields.apiVersion, `one of ${API_VERSIONS.join(', ')}`));
  // v1beta1 has this default, v1 has none.
  const mode = exec.fields.interactiveMode ?? (apiVersion === API_VERSIONS[1] ? 'IfAvailable' : undefined);
  const interactiveMode = INTERACTIVE_MODES.find((known) => known === mode);
  if (!interactiveMode) report('interactiveMode', invalidValue(mode, `one of ${INTERACTIVE_MODES.join(', ')}`));
  const args = list('args', 'strings', (arg) => typeof arg === 'string') as readonly string[];
  const variables = list('env', 'objects with the strings name and value', isVariable) as readonly Variable[];
  const given = exec.fields.command;
  const command = typeof given === 'string' ? findProgram(given, user.file, env) : undefined;
  if (!command) {
    const hint = oneLine(truncate(text('installHint') ?? '', LONGEST_HINT));
    report('command', `${invalidValue(given, 'an executable file or a program in $PATH')}${hint && ` (${hint})`}`);
  }
  const hasInfo = flag('provideClusterInfo');
  // The files of a cluster with problems may be unreadable.
  if (problems.length > 0 || !apiVersion || !interactiveMode || !command) return undefined;
  const variablesByName = Object.fromEntries(variables.map(({ name, value = '' }) => [name, value]));
  const info = hasInfo ? clusterInfo(cluster) : undefined;
  return { command, args, env: variablesByName, apiVersion, interactiveMode, cluster: info };
}

const LONGEST_HINT = 500;

interface Variable {
  readonly name: string;
  readonly value?: string;
}

function isVariable(item: unknown): boolean {
  const { name, value = '' } = asObject(item);
  return typeof name === 'string' && name !== '' && typeof value === 'string';
}

/**
 * A command without a slash is in `$PATH`. A relative path starts at the folder of the kubeconfig. Windows lists in
 * `PATHEXT` the endings, such as `.EXE`, that a command can lack.
 */
function findProgram(
  command: string,
  kubeconfig: string,
  { PATH = '', PATHEXT = '' }: Environment,
): string | undefined {
  const folders = PATH.split(delimiter).filter((folder) => folder);
  const places = command.includes(sep)
    ? [resolve(dirname(kubeconfig), command)]
    : folders.map((folder) => join(folder, command));
  const endings = [...PATHEXT.split(';').filter((ending) => ending), ''];
  const files = places.flatMap((place) => endings.map((ending) => place + ending));
  return files.find((place) => {
    try {
      accessSync(place, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/**
 * Returns `spec.cluster` of the ExecCredential that a plugin gets:
 * https://kubernetes.io/docs/reference/config-api/client-authentication.v1/#client-authentication-k8s-io-v1-Cluster
 */
function clusterInfo({ file, fields }: Current['cluster']): JsonObject {
  const { 'certificate-authority': caFile, extensions, ...known } = fields;
  const caData = typeof caFile === 'string' ? readFileSync(resolve(dirname(file), caFile), 'base64') : undefined;
  const extension = asList(extensions)
    .map(asObject)
    .find(({ name }) => name === 'client.authentication.k8s.io/exec');
  return {
    ...known,
    'certificate-authority-data': known['certificate-authority-data'] ?? caData,
    config: extension?.extension ?? null,
  };
}
