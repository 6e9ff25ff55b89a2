import { kubeconfigProblems } from '../kube/client.ts';
import type { Pem } from '../lib/pem.ts';
import { readPolicyFile } from '../policy/file.ts';
import { type Policy, terraformPolicy } from '../policy/policy.ts';
import { readClientCaFile } from '../webhook/client-ca.ts';
import type { RawOptions } from './config.ts';
import { type OptionName, optionLabel } from './options.ts';

/** Each problem names the option, so that it can be reported with those of `readConfig`. */
interface OptionFile<T> {
  readonly content: T;
  readonly problems: readonly string[];
}

export function readPolicyOption(raw: RawOptions): OptionFile<Policy> {
  const read = readPolicyFile(raw['policy-file'] || undefined);
  return 'policy' in read
    ? { content: read.policy, problems: [] }
    : { content: terraformPolicy, problems: read.problems.map((problem) => fileProblem('policy-file', raw, problem)) };
}

export function readClientCaOption(raw: RawOptions): OptionFile<Pem | undefined> {
  const file = raw['client-ca-file'] || undefined;
  if (file === undefined) return { content: undefined, problems: [] };
  const read = readClientCaFile(file);
  return 'bundle' in read
    ? { content: read.bundle, problems: [] }
    : { content: undefined, problems: [fileProblem('client-ca-file', raw, read.problem)] };
}

/** The content is the path, because `connect` reads the file itself. */
export function readKubeconfigOption(raw: RawOptions): OptionFile<string | undefined> {
  const file = raw.kubeconfig || undefined;
  return { content: file, problems: kubeconfigProblems(optionLabel('kubeconfig'), file) };
}

const fileProblem = (name: OptionName, raw: RawOptions, problem: string): string =>
  `${optionLabel(name)}: ${JSON.stringify(raw[name])}: ${problem}`;
