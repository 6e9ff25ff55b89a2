#!/usr/bin/env node
import { parseCommandLine } from './cli/command-line.ts';
import { subcommands } from './commands/subcommands.ts';
import { runCommand } from './operator/command.ts';

/**
 * The process does not wait for open sockets: a connection attempt cannot be cancelled, and Node.js may wait for a
 * socket in an odd state for ever. Long enough for the last lines to be written.
 */
const LINGER_MS = 50;

// The reader of `--help | head` closes the pipe early. Without this handler that ends in a stack trace.
for (const output of [process.stdout, process.stderr]) {
  output.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
  });
}

process.exitCode = await parseCommandLine(process.argv.slice(2), { run: runCommand, ...subcommands }, process);
setTimeout(() => process.exit(), LINGER_MS);
