import { isUtf8 } from 'node:buffer';
import { createRereading, readSmallFile } from '../lib/watched-file.ts';
import { parsePolicy } from './parse.ts';
import { type Policy, terraformPolicy } from './policy.ts';

/** A policy, or what is wrong with the file that should hold one, a line for each problem. */
export type PolicyRead = { readonly policy: Policy } | { readonly problems: readonly string[] };

/** Many times what 32 rules come to. What is longer would take the parser seconds, in the process that answers Jobs. */
export const MOST_BYTES = 64 * 1024;

/** Reads a policy file. The built-in policy where there is none. */
export function readPolicyFile(file: string | undefined): PolicyRead {
  if (file === undefined) return { policy: terraformPolicy };
  const read = readSmallFile(file, MOST_BYTES);
  if ('problem' in read) return { problems: [read.problem] };
  if (!isUtf8(read.content)) return { problems: ['found bytes that are not UTF-8; allowed is a text in UTF-8'] };
  return parsePolicy(read.content.toString());
}

/** The policy in force. */
export interface Policies {
  readonly current: () => Policy;
  /** Reads the file again. What is wrong is told once; the last good policy stays in force then. */
  readonly reload: () => 'unchanged' | PolicyRead;
  /** Called when another policy has come into force. */
  readonly onChange: (changed: () => void) => void;
}

/** @param first what was read from the file at the start. */
export function createPolicies(file: string | undefined, first: Policy): Policies {
  let policy = first;
  const readAgain = createRereading(file, readPolicyFile, { policy: first });
  const listeners: (() => void)[] = [];
  return {
    current: () => policy,
    reload() {
      const read = readAgain();
      if (read !== 'unchanged' && 'policy' in read) {
        policy = read.policy;
        for (const changed of listeners) changed();
      }
      return read;
    },
    onChange: (changed) => void listeners.push(changed),
  };
}
