import { execFileSync } from 'node:child_process';
import { join } from 'node:path';

const ROOT = join(import.meta.dirname, '..', '..');

/** The program that kubectl runs to complete the words after `kubectl terraform-daemon`. */
export const KUBECTL_COMPLETION = join(ROOT, 'kubectl-plugin', 'kubectl_complete-terraform_daemon');

/**
 * Returns the program: the completion script of bash, and lines that call it as bash does. kubectl passes the words and
 * reads the proposals, then a line with what the shell does if there is no proposal.
 */
export const kubectlCompletion = (): string => `#!/usr/bin/env bash
# Generated from the code by "npm run docs". kubectl runs this program to complete "kubectl terraform-daemon".

# The options of kubectl are before the command of the daemon.
while [[ $# -gt 1 && $1 == -* ]]; do
  case $1 in
    -n | --namespace | --context | --kubeconfig) [[ $# -gt 2 ]] || exit 0; shift 2 ;;
    *) shift ;;
  esac
done

complete() { :; }
directive=4 # propose no files
compopt() { directive=0; } # propose files

${execFileSync(process.execPath, ['src/main.ts', 'completion', 'bash'], { cwd: ROOT, encoding: 'utf8' })}
COMP_WORDS=(terraform-daemon "$@")
COMP_CWORD=$#
_terraform_daemon
[[ $# -gt 1 || $1 != -* ]] || COMPREPLY=($(compgen -W '-n --namespace --context --kubeconfig -h --help' -- "$1"))
for word in "\${COMPREPLY[@]}"; do
  # The Pod runs the daemon already.
  [[ $# -eq 1 && $word == run ]] || printf '%s\\n' "$word"
done
echo ":$directive"
`;
