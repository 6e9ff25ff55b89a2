import { readFileSync, statSync } from 'node:fs';
import { messageOf } from './errors.ts';

/** What a file holds, or in words why it cannot be used: what was found, and what is allowed. */
export type FileRead = { readonly content: Buffer } | { readonly problem: string };

/** Reads a file that somebody has named in an option. @param most how many bytes it may have. */
export function readSmallFile(file: string, most: number): FileRead {
  try {
    const found = statSync(file);
    // To open a FIFO would wait for somebody who writes into it.
    if (!found.isFile()) return { problem: 'found a folder, a device or a pipe; allowed is a file' };
    if (found.size > most) return { problem: `found ${found.size} bytes; allowed is at most ${most}` };
    return { content: readFileSync(file) };
  } catch (error) {
    return { problem: `${messageOf(error)}; allowed is a file that can be read` };
  }
}

/**
 * Reads such a file again and again. The answer is `unchanged` where it comes to the same as before, so that what is wrong with a
 * file is told once.
 *
 * @param file where there is none, nothing is ever read.
 * @param first what was read from it at the start.
 */
export function createRereading<T extends object>(
  file: string | undefined,
  read: (file: string) => T,
  first: object,
): () => 'unchanged' | T {
  let last = JSON.stringify(first);
  return () => {
    if (file === undefined) return 'unchanged';
    const found = read(file);
    const text = JSON.stringify(found);
    if (text === last) return 'unchanged';
    last = text;
    return found;
  };
}
