import { isUtf8 } from 'node:buffer';
import { type FileContent, readSmallFile } from '../lib/watched-file.ts';
import { parsePolicy } from './parse.ts';
import { type Policy, terraformPolicy } from './policy.ts';

/**
 * Maximum size of a policy file, in bytes. The parser of a larger file could block all admission requests for seconds.
 */
export const MOST_BYTES = 64 * 1024;

/** Reads a policy file. Returns the built-in policy if `file` is undefined. */
export function readPolicyFile(file: string | undefined): FileContent<Policy> {
  if (file === undefined) return { value: terraformPolicy };
  const read = readSmallFile(file, MOST_BYTES);
  if ('problem' in read) return { problems: [read.problem] };
  if (!isUtf8(read.content)) return { problems: ['must be text in UTF-8'] };
  return parsePolicy(read.content.toString());
}
