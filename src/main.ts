#!/usr/bin/env node
import { parseCommandLine } from './cli/command-line.ts';
import { subcommands } from './commands/subcommands.ts';
import { runCommand } from './operator/command.ts';

/**
 * Time between the end of the command and the exit of the process, in which Node.js writes the last output. The process
 * exits even if sockets are open, because Node.js cannot cancel a connection attempt.
 */
const LINGER_MS = 50;

// A reader of the output, such as `head`, can close the pipe early. Without this handler, the process would then end
// with a stack trace.
for (const output of [process.stdout, process.stderr]) {
  output.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
  });
}

process.exitCode = await parseCommandLine(process.argv.slice(2), { run: runCommand, ...subcommands }, process);
setTimeout(() => process.exit(), LINGER_MS);
