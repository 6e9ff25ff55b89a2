import { readFileSync } from 'node:fs';
import { BUNDLE } from './daemon.ts';

const dockerfile = readFileSync(new URL('../../../Dockerfile', import.meta.url), 'utf8');

/** How the image starts the daemon, so that what is measured is what is shipped. */
export interface Entrypoint {
  /** Node.js' own flags. */
  readonly nodeFlags: readonly string[];
  /** Beside NODE_COMPILE_CACHE. */
  readonly env: Readonly<Record<string, string>>;
}

/** Reads the last stage of the Dockerfile. */
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

/** The command that starts the bundle with those: what a process holds depends on them. */
export async function asTheImage(flags: readonly string[]): Promise<readonly [string, ...string[]]> {
  const { nodeFlags, env } = imageEntrypoint();
  const settings = Object.entries(env).map(([name, value]) => `${name}=${value}`);
  return ['/usr/bin/env', ...settings, process.execPath, ...nodeFlags, BUNDLE, ...flags];
}
