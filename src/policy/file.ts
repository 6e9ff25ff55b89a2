import { isUtf8 } from 'node:buffer';
import { type FileContent, readSmallFile } from '../lib/watched-file.ts';
import { parsePolicy } from './parse.ts';
import { type Policy, terraformPolicy } from './policy.ts';

/** Many times what 32 rules come to. What is longer would take the parser seconds, in the process that answers Jobs. */
export const MOST_BYTES = 64 * 1024;

/** Reads a policy file. The built-in policy where there is none. */
export function readPolicyFile(file: string | undefined): FileContent<Policy> {
  if (file === undefined) return { value: terraformPolicy };
  const read = readSmallFile(file, MOST_BYTES);
  if ('problem' in read) return { problems: [read.problem] };
  if (!isUtf8(read.content)) return { problems: ['found bytes that are not UTF-8; allowed is a text in UTF-8'] };
  return parsePolicy(read.content.toString());
}
