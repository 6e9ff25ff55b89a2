import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { before, describe, type TestContext, test } from 'node:test';
import { promisify, stripVTControlCharacters } from 'node:util';
import { Command, Option } from 'commander';
import { completionScript, shells } from '../../src/cli/completion.ts';
import { subcommands } from '../../src/commands/subcommands.ts';
import { aFolder } from '../support/builders/a-folder.ts';
import { callCommand } from '../support/command-in-process.ts';
import { projectFile, readDocument, shellBlocks } from '../support/docs.ts';
import { onTerminal } from '../support/pseudo-terminal.ts';

type Shell = (typeof shells)[number];

const run = promisify(execFile);

/** A folder with the script of each shell and a file for options that take a file. */
let folder: string;
before(async (t) => {
  folder = await aFolder(t as never);
  await writeFile(join(folder, 'kubeconfig-of-a-team'), '');
  for (const shell of shells) {
    const { exitCode, stdout } = await callCommand(['completion', shell]);
    assert.equal(exitCode, 0);
    await writeFile(join(folder, shell), stdout);
  }
});

/** The keys that load a script into an interactive shell, and print the line when Ctrl-T is pressed. */
const setUp = {
  bash: (script: string) => `source ${script}; bind -x '"\\C-t": echo "LINE<$READLINE_LINE>"; exit'; PS1='NOW> '\r`,
  zsh: (script: string) =>
    `autoload -U compinit; compinit -u -D; source ${script}; report() { print -r -- "LINE<$BUFFER>"; exit; }; zle -N report; bindkey '^T' report; PS1='NOW> '\r`,
};
const interactive = { bash: ['bash', '--norc', '-i'], zsh: ['zsh', '-f', '-i'] };

/** Returns what an interactive shell shows after a user typed the keys and Ctrl-T. */
async function typed(shell: 'bash' | 'zsh', line: string, script = join(folder, shell)) {
  const { received } = await onTerminal(interactive[shell], {
    env: { HOME: folder, PS1: 'READY> ' },
    columns: 160,
    keys: [
      { after: /READY> /, press: setUp[shell](script) },
      { after: /NOW> /, press: line },
      { after: /./, press: '\u0014' },
    ],
  });
  const words = stripVTControlCharacters(received).split(/\s+/);
  return { words, line: [...received.matchAll(/LINE<([^>]*)>/g)].at(-1)?.[1] };
}

/** Returns the words that fish proposes for the end of the line. */
async function fishProposals(line: string, script = join(folder, 'fish')): Promise<readonly string[]> {
  const { stdout } = await run('fish', ['-N', '-c', 'source $argv[1]; complete -C $argv[2]', script, line]);
  return stdout
    .trim()
    .split('\n')
    .map((one) => one.split('\t')[0] ?? '')
    .filter((word) => word !== '');
}

/** Returns the line after the shell has completed its last word. */
async function completed(shell: Shell, line: string, script?: string): Promise<string | undefined> {
  if (shell !== 'fish') return (await typed(shell, `${line}\t`, script)).line?.replace(/[ =]$/, '');
  const proposals = await fishProposals(line, script);
  return proposals.length === 1 ? line.replace(/\S*$/, proposals[0] ?? '') : line;
}

const INTERACTIVE = ['-i', '-c'];

/** Prints the version, which runs the function, and what completes the command. */
const REGISTERED = {
  bash: 'terraform-daemon --version; complete -p terraform-daemon',
  zsh: 'terraform-daemon --version; print $_comps[terraform-daemon]',
  fish: 'terraform-daemon --version; echo terraform-daemon (complete -C "terraform-daemon insp")',
};

/** An environment in which `node` is too old for the daemon, as on many laptops. */
const cleanEnvironment = (home: string) => ({ HOME: home, TERM: 'dumb', PATH: `${home}/bin:/usr/bin:/bin` });

/** Returns a home folder with a checkout, whose bundle is the sources, and with an unusable `node` in the PATH. */
async function aHomeWithCheckout(t: TestContext): Promise<string> {
  const home = await aFolder(t);
  const [bin, dist, modules] = ['bin', 'terraform-daemon/dist', 'terraform-daemon/node_modules/.bin'].map((path) =>
    join(home, path),
  ) as [string, string, string];
  for (const path of [bin, dist, modules]) await mkdir(path, { recursive: true });
  await writeFile(join(dist, 'terraform-daemon.js'), `await import('${projectFile('src/main.ts')}');`);
  await writeFile(join(home, 'terraform-daemon/package.json'), '{"type":"module"}');
  await symlink(process.execPath, join(modules, 'node'));
  await writeFile(join(bin, 'node'), '#!/bin/sh\nexit 2\n', { mode: 0o755 });
  return home;
}

async function missing(shell: Shell): Promise<string | false> {
  return run(shell, ['-c', 'true']).then(
    () => false,
    () => `${shell} is not installed: apt-get install ${shell}`,
  );
}

for (const shell of shells) {
  describe(`the completion of ${shell}`, { skip: await missing(shell), concurrency: 4 }, () => {
    for (const [what, line, expected] of [
      ['a command', 'terraform-daemon insp', 'terraform-daemon inspect'],
      ['an option of the daemon', 'terraform-daemon run --log-l', 'terraform-daemon run --log-level'],
      ['no option of the daemon without its command', 'terraform-daemon --log-l', 'terraform-daemon --log-l'],
      ['an option of a command', 'terraform-daemon inspect --outp', 'terraform-daemon inspect --output'],
      [
        'a value of a list after a long option',
        'terraform-daemon inspect --output j',
        'terraform-daemon inspect --output json',
      ],
      [
        'a value of a list after an equals sign',
        'terraform-daemon inspect --output=j',
        'terraform-daemon inspect --output=json',
      ],
      ['a value of a list after a short option', 'terraform-daemon inspect -o j', 'terraform-daemon inspect -o json'],
      ['a key size', 'terraform-daemon inspect --key-size 3', 'terraform-daemon inspect --key-size 3072'],
      ['a truth value', 'terraform-daemon run --rotate-on-start f', 'terraform-daemon run --rotate-on-start false'],
      ['the name of a shell', 'terraform-daemon completion f', 'terraform-daemon completion fish'],
      [
        'no file where an option takes a name',
        'terraform-daemon run --namespace FOLDER/kube',
        'terraform-daemon run --namespace FOLDER/kube',
      ],
      [
        'a file',
        'terraform-daemon check --kubeconfig FOLDER/kube',
        'terraform-daemon check --kubeconfig FOLDER/kubeconfig-of-a-team',
      ],
      ['no option of another command', 'terraform-daemon rotate --pol', 'terraform-daemon rotate --pol'],
    ] as const) {
      test(`${shell} completes ${what}: ${line}`, async () => {
        const inFolder = (text: string): string => text.replace('FOLDER', folder);
        assert.equal(await completed(shell, inFolder(line)), inFolder(expected));
      });
    }

    test(`a new ${shell} completes after the documented commands for a checkout, with the Node.js of the project`, async (t) => {
      const home = await aHomeWithCheckout(t);
      // Each block has a part for each shell. The second block needs the start file that the first one writes.
      const file = 'docs/how-to/complete-commands.md';
      for (const { commands } of shellBlocks(file, await readDocument(file))) {
        const part = commands.split(/^# /m).find((text) => text.startsWith(shell)) ?? assert.fail();
        await run(shell, [...INTERACTIVE, `#${part}`], { env: cleanEnvironment(home) });
      }
      const { stdout, stderr } = await run(shell, [...INTERACTIVE, REGISTERED[shell]], { env: cleanEnvironment(home) });
      assert.match(stdout, /^\d+\.\d+\.\d+$/m);
      assert.match(
        stdout,
        /^(complete .*-F \S+ terraform-daemon|_terraform-daemon|terraform-daemon inspect.*)$/m,
        stderr,
      );
    });

    test(`${shell} lists all commands`, async () => {
      const line = 'terraform-daemon ';
      const words = shell === 'fish' ? await fishProposals(line) : (await typed(shell, `${line}\t\t`)).words;
      for (const name of ['run', 'completion', ...Object.keys(subcommands)])
        assert.ok(words.includes(name), `${name}: ${words}`);
    });

    test(`${shell} completes a command of a command and its options, and descriptions with quotes do no harm`, async (t) => {
      const quotes = 'it\'s "quoted" $HOME `id` [a:b] \\';
      const program = new Command('terraform-daemon');
      const applies = program.command('applies').description(quotes);
      applies.addOption(new Option('--all', quotes));
      applies.command('retry').description(quotes).addOption(new Option('--yes', quotes));
      const script = join(await aFolder(t), shell);
      await writeFile(script, completionScript(program, shell));
      for (const [line, expected] of [
        ['terraform-daemon app', 'terraform-daemon applies'],
        ['terraform-daemon applies --a', 'terraform-daemon applies --all'],
        ['terraform-daemon applies ret', 'terraform-daemon applies retry'],
        ['terraform-daemon applies retry --y', 'terraform-daemon applies retry --yes'],
        ['terraform-daemon applies retry --a', 'terraform-daemon applies retry --a'],
      ] as const) {
        assert.equal(await completed(shell, line, script), expected);
      }
    });
  });
}

test('completion exits with code 2 for an unknown shell and names the known shells', async () => {
  const { exitCode, stderr } = await callCommand(['completion', 'tcsh']);
  assert.equal(exitCode, 2);
  assert.match(stderr, /Allowed choices are bash, zsh, fish\./);
});
