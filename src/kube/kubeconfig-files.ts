import { accessSync, constants, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, dirname, join, resolve } from 'node:path';
import { messageOf } from '../lib/errors.ts';
import { asObject, isObject, type JsonObject } from '../lib/json.ts';
import { describeValue, invalidValue } from '../lib/text.ts';
import { readYaml } from '../lib/yaml.ts';

/*
 * Finds and merges kubeconfig files as kubectl does. The loader of client-node takes the current context of the last file
 * instead of the first, refuses a name that two files define, refuses incomplete entries of other contexts, and fails if a
 * listed file does not exist: https://github.com/kubernetes-client/javascript/issues/579, /1306 and /499
 */

/** Variables of the process environment. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** The fields of one cluster, user or context, and where they are. */
export interface Entry {
  readonly file: string;
  /** Such as `users["me"].user`. */
  readonly path: string;
  readonly fields: JsonObject;
}

/** The cluster, the user and the namespace of the current context. */
export interface Current {
  readonly cluster: Entry;
  readonly user: Entry;
  readonly namespace: unknown;
}

export type Problems = string[];

/**
 * Returns the entries of the current context of `file`, else of the files of `$KUBECONFIG`, else of
 * `~/.kube/config`. For each name the first file that defines it is used. No problem quotes a value that can be secret.
 */
export function findCurrent(file: string | undefined, env: Environment, problems: Problems): Current | undefined {
  const files = readFiles(file, env, problems);
  if (problems.length > 0) return undefined;
  const names = files.map(({ path }) => path).join(', ');
  const current = files.map(({ content }) => content['current-context']).find((name) => name);
  const context = findEntry(files, 'contexts', current);
  if (!context) {
    const searched = env.KUBECONFIG ? `a file of $KUBECONFIG (${env.KUBECONFIG})` : defaultFile(env);
    const nowhere = `not set: neither a service account nor ${searched} was found`;
    const missing = `${names}: current-context: ${invalidValue(current, 'the name of a context')}`;
    problems.push(files.length === 0 ? nowhere : missing);
    return undefined;
  }
  const find = (name: 'cluster' | 'user'): Entry | undefined => {
    const entry = findEntry(files, `${name}s`, context.fields[name]);
    const asked = `${context.file}: ${context.path}.${name}`;
    if (!entry) problems.push(`${asked}: ${invalidValue(context.fields[name] || undefined, `the name of a ${name}`)}`);
    return entry;
  };
  const [cluster, user] = [find('cluster'), find('user')];
  return cluster && user && { cluster, user, namespace: context.fields.namespace };
}

interface KubeconfigFile {
  readonly path: string;
  readonly content: JsonObject;
}

const defaultFile = (env: Environment): string => join(env.HOME || homedir(), '.kube', 'config');

function readFiles(file: string | undefined, env: Environment, problems: Problems): KubeconfigFile[] {
  const listed = env.KUBECONFIG ? env.KUBECONFIG.split(delimiter) : [defaultFile(env)];
  const paths = new Set(file === undefined ? listed.filter((path) => path) : [file]);
  return [...paths].flatMap((path) => {
    try {
      const read = readYaml(readFileSync(path, 'utf8'));
      if ('value' in read) return [{ path, content: asObject(read.value) }];
      // The messages of the YAML parser quote the text, which can contain a token.
      problems.push(`${path}: line ${read.problems[0]?.line}: must be valid YAML`);
    } catch (error) {
      const isSkipped = file === undefined && (error as NodeJS.ErrnoException).code === 'ENOENT';
      if (!isSkipped) problems.push(`${messageOf(error)}: must be a readable kubeconfig file`);
    }
    return [];
  });
}

function findEntry(
  files: readonly KubeconfigFile[],
  list: 'clusters' | 'users' | 'contexts',
  name: unknown,
): Entry | undefined {
  if (typeof name !== 'string' || name === '') return undefined;
  const kind = list.slice(0, -1);
  for (const { path: file, content } of files) {
    const found = asList(content[list]).find((entry) => isObject(entry) && entry.name === name);
    if (found)
      return { file, path: `${list}[${describeValue(name)}].${kind}`, fields: asObject(asObject(found)[kind]) };
  }
  return undefined;
}

export const asList = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);

/** Reads fields of one entry. Each method reports an invalid value and returns `undefined` for it, as for an absent field. */
export interface FieldReader {
  text(name: string): string | undefined;
  flag(name: string): boolean;
  list(name: string, items: string, isItem: (item: unknown) => boolean): readonly unknown[];
  /** Returns an absolute path: a relative one starts at the folder of the kubeconfig. */
  readableFile(name: string): string | undefined;
  /** Reads the fields `<name>`, a file, and `<name>-data`. Reports both together, as kubectl does. */
  fileOrData(name: string): { readonly file: string | undefined; readonly data: string | undefined };
  report(name: string, problem: string): void;
}

export function createFieldReader({ file, path, fields }: Entry, problems: Problems): FieldReader {
  const report = (name: string, problem: string) => void problems.push(`${file}: ${path}.${name}: ${problem}`);
  function value(name: string, isValid: (value: unknown) => boolean, what: string): unknown {
    const found = fields[name] ?? undefined;
    if (found === undefined || isValid(found)) return found;
    report(name, `invalid value: must be ${what}`);
    return undefined;
  }
  const text = (name: string) => (value(name, (it) => typeof it === 'string', 'a string') as string) || undefined;
  function readableFile(name: string): string | undefined {
    const given = text(name);
    if (given === undefined) return undefined;
    const absolute = resolve(dirname(file), given);
    try {
      accessSync(absolute, constants.R_OK);
    } catch (error) {
      report(name, `${messageOf(error)}: must be a readable file`);
    }
    return absolute;
  }
  return {
    text,
    flag: (name) => value(name, (it) => typeof it === 'boolean', 'true or false') === true,
    list: (name, items, isItem) =>
      asList(value(name, (it) => Array.isArray(it) && it.every(isItem), `a list of ${items}`)),
    readableFile,
    fileOrData(name) {
      const given = { file: readableFile(name), data: text(`${name}-data`) };
      if (given.file && given.data) report(name, `must be absent, because ${name}-data is set`);
      return given;
    },
    report,
  };
}
