import { readFileSync, statSync } from 'node:fs';
import { messageOf } from './errors.ts';

/** The content of a file, or why it cannot be used: what was found, and what is allowed. */
export type FileRead = { readonly content: Buffer } | { readonly problem: string };

/** Reads the file of an option. @param most the largest size, in bytes. */
export function readSmallFile(file: string, most: number): FileRead {
  try {
    const found = statSync(file);
    // Opening a FIFO would block until it has a writer.
    if (!found.isFile()) return { problem: 'found a folder, a device or a pipe; allowed is a file' };
    if (found.size > most) return { problem: `found ${found.size} bytes; allowed is at most ${most}` };
    return { content: readFileSync(file) };
  } catch (error) {
    return { problem: `${messageOf(error)}; allowed is a file that can be read` };
  }
}

/**
 * Returns a function that reads the file again. The function returns `unchanged` if the result is the same as last time, so that
 * a problem is reported once.
 *
 * @param file `undefined` is always unchanged.
 * @param first the result of the first read.
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
