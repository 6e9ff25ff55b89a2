import { readFileSync } from 'node:fs';
import { BUNDLE } from './daemon.ts';

const dockerfile = readFileSync(new URL('../../../Dockerfile', import.meta.url), 'utf8');

/** The entrypoint of the image, so that measurements start the daemon as the image does. */
export interface Entrypoint {
  /** Flags of Node.js. */
  readonly nodeFlags: readonly string[];
  /** Environment variables, without NODE_COMPILE_CACHE. */
  readonly env: Readonly<Record<string, string>>;
}

/** Reads the entrypoint from the last stage of the Dockerfile. */
export function imageEntrypoint(): Entrypoint {
  const stage = dockerfile.slice(dockerfile.lastIndexOf('\nFROM '));
  const [, list = ''] = /^ENTRYPOINT (\[.*\])$/m.exec(stage) ?? [];
  const [, ...args]: string[] = JSON.parse(list);
  const [, block = ''] = /^ENV ((?:.*\\\n)*.*)$/m.exec(stage) ?? [];
  const pairs = [...block.matchAll(/(\w+)=("[^"]*"|\S+)/g)].map(([, name = '', value = '']) => [
    name,
    value.replace(/^"(.*)"$/, '$1'),
  ]);
  const { NODE_COMPILE_CACHE: _here, ...env } = Object.fromEntries(pairs);
  return { nodeFlags: args.filter((arg) => arg.startsWith('--')), env };
}

/**
 * Returns the command that starts the bundle with the Node.js flags and the environment of the image, but without
 * NODE_COMPILE_CACHE. The memory of the daemon depends on the flags and the environment.
 */
export async function asTheImage(flags: readonly string[]): Promise<readonly [string, ...string[]]> {
  const { nodeFlags, env } = imageEntrypoint();
  const settings = Object.entries(env).map(([name, value]) => `${name}=${value}`);
  return ['/usr/bin/env', ...settings, process.execPath, ...nodeFlags, BUNDLE, ...flags];
}
