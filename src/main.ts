#!/usr/bin/env node
import { parseCommandLine } from './cli/command-line.ts';
import { subcommands } from './commands/subcommands.ts';
import { runCommand } from './operator/command.ts';

/**
 * Time that the process waits for its last output before it exits. The process does not wait for open sockets, because
 * Node.js cannot cancel a connection attempt.
 */
const LINGER_MS = 50;

// In `--help | head`, `head` closes the pipe early. Without this handler, Node.js prints a stack trace.
for (const output of [process.stdout, process.stderr]) {
  output.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
  });
}

process.exitCode = await parseCommandLine(process.argv.slice(2), { run: runCommand, ...subcommands }, process);
setTimeout(() => process.exit(), LINGER_MS);
