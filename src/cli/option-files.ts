import { type Kubeconfig, readKubeconfig } from '../kube/kubeconfig.ts';
import type { Pem } from '../lib/pem.ts';
import { readPolicyFile } from '../policy/file.ts';
import { type Policy, terraformPolicy } from '../policy/policy.ts';
import { readClientCaFile } from '../webhook/client-certificates.ts';
import type { RawOptions } from './config.ts';
import { type OptionName, optionLabel } from './options.ts';

/**
 * The content of a file that an option names, and the problems of the file. Each problem text begins with the option,
 * so that `readConfig` can report all problems in one error.
 */
interface OptionFile<T> {
  readonly content: T;
  readonly problems: readonly string[];
}

export function readPolicyOption(raw: RawOptions): OptionFile<Policy> {
  const read = readPolicyFile(raw['policy-file'] || undefined);
  if ('value' in read) return { content: read.value, problems: [] };
  return { content: terraformPolicy, problems: read.problems.map(inFile('policy-file', raw)) };
}

export function readClientCaOption(raw: RawOptions): OptionFile<Pem | undefined> {
  const file = raw['client-ca-file'];
  const read = file ? readClientCaFile(file) : { value: undefined };
  if ('value' in read) return { content: read.value, problems: [] };
  return { content: undefined, problems: read.problems.map(inFile('client-ca-file', raw)) };
}

export function readKubeconfigOption(raw: RawOptions): OptionFile<Kubeconfig | undefined> {
  const read = readKubeconfig(raw.kubeconfig || undefined);
  if ('value' in read) return { content: read.value, problems: [] };
  return { content: undefined, problems: read.problems.map((problem) => `${optionLabel('kubeconfig')}: ${problem}`) };
}

const inFile = (name: OptionName, raw: RawOptions) => (problem: string) =>
  `${optionLabel(name)}: ${JSON.stringify(raw[name])}: ${problem}`;
