import { Writable } from 'node:stream';
import { parseCommandLine } from '../../src/cli/command-line.ts';
import { subcommands } from '../../src/commands/subcommands.ts';
import { runCommand } from '../../src/operator/command.ts';
import type { Ended } from './cluster/command.ts';

/**
 * Runs the command line inside of this process, which is fast. One call at a time, because the environment is shared.
 */
export async function callCommand(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Ended> {
  const before = { ...process.env };
  Object.assign(process.env, env);
  const written = { stdout: '', stderr: '' };
  const writerOf = (name: keyof typeof written) =>
    new Writable({
      decodeStrings: false,
      write(text: string, _encoding, done) {
        written[name] += text;
        done();
      },
    });
  try {
    const output = { stdout: writerOf('stdout'), stderr: writerOf('stderr') };
    return { exitCode: await parseCommandLine(args, { run: runCommand, ...subcommands }, output), ...written };
  } finally {
    for (const name of Object.keys(env)) {
      if (before[name] === undefined) delete process.env[name];
      else process.env[name] = before[name];
    }
  }
}
