import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';

/** Returns a path below the folder of this project in the cache folder of the user. */
export function cachePath(...names: readonly string[]): string {
  const configured = process.env.XDG_CACHE_HOME;
  // The XDG Base Directory Specification says that a relative path must be ignored.
  const base = configured !== undefined && isAbsolute(configured) ? configured : join(homedir(), '.cache');
  return join(base, 'terraform-daemon', ...names);
}
