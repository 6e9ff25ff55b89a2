import { readFileSync, statSync } from 'node:fs';
import { messageOf } from './errors.ts';

/** The content of a file, or the reason why it cannot be used. */
export type FileRead = { readonly content: Buffer } | { readonly problem: string };

/**
 * Reads a file that an option names.
 *
 * @param most the maximum size in bytes.
 */
export function readSmallFile(file: string, most: number): FileRead {
  try {
    const found = statSync(file);
    // Opening a FIFO would block until it has a writer.
    if (!found.isFile()) return { problem: 'must be a regular file, not a folder, a device or a pipe' };
    if (found.size > most) return { problem: `${found.size} bytes: must be at most ${most} bytes` };
    return { content: readFileSync(file) };
  } catch (error) {
    return { problem: `${messageOf(error)}: must be a readable file` };
  }
}

/** The checked content of an option's file, or the problems of the file, one line each. */
export type FileContent<T> = { readonly value: T } | { readonly problems: readonly string[] };

/** The file of an option, which is read again while the daemon runs. */
export interface WatchedFile<T> {
  /** The last valid content. */
  readonly current: () => T;
  /** Reads the file again. Returns `unchanged` if the result is the same as last time, so that a problem is reported once. */
  readonly reload: () => 'unchanged' | FileContent<NonNullable<T>>;
  /** Calls the listener after each change of the content. */
  readonly onChange: (changed: () => void) => void;
}

/**
 * Returns the content of a file that can be read again.
 *
 * @param file the path; if `undefined`, the content never changes.
 * @param first the content that was read at the start.
 */
export function createWatchedFile<T>(
  file: string | undefined,
  read: (file: string) => FileContent<NonNullable<T>>,
  first: T,
): WatchedFile<T> {
  let current = first;
  let last = JSON.stringify({ value: first });
  const listeners: (() => void)[] = [];
  return {
    current: () => current,
    reload() {
      if (file === undefined) return 'unchanged';
      const found = read(file);
      const text = JSON.stringify(found);
      if (text === last) return 'unchanged';
      last = text;
      if ('value' in found) {
        current = found.value;
        for (const changed of listeners) changed();
      }
      return found;
    },
    onChange: (changed) => void listeners.push(changed),
  };
}
