import type { Subcommand } from '../../cli/command-line.ts';
import { label, oneOf } from '../../cli/option-parsers.ts';
import { openApiServer } from '../cluster.ts';
import { terminalOf } from '../terminal.ts';
import { applies } from './applies.ts';
import { createApplyStore } from './apply-store.ts';
import { appliesVerdicts } from './report.ts';
import { retryCommand } from './retry-command.ts';

interface AppliesOptions {
  readonly namespace: string | undefined;
  readonly allNamespaces: boolean | undefined;
  readonly output: 'text' | 'json';
}

export const appliesCommand = {
  description: 'list the failed and running Jobs of terraform, or run a failed one again',
  shared: ['kubeconfig'],
  own: [
    {
      flags: '-n, --namespace <name>',
      description: 'namespace of the Configurations or of the Jobs',
      defaultText: 'as kubectl',
      parse: label,
    },
    { flags: '-A, --all-namespaces', description: 'list the Jobs of all namespaces' },
    { flags: '-o, --output <format>', description: 'text or json', default: 'text', parse: oneOf('text', 'json') },
  ],
  subcommands: { retry: retryCommand },
  help: `
Lists the Jobs of terraform-controller, and the other Jobs that the daemon has capped, that run or
have failed. Uses the rights of the current user: it needs the right to list Jobs. For the exit code
of terraform it reads Pods, and with --controller-namespace it reads Configurations. The command
works without these rights and reports what it could not read.

Exit code: 0 ${appliesVerdicts.none.meaning},
1 ${appliesVerdicts.failed.meaning}, 2 usage error,
3 ${appliesVerdicts.incomplete.meaning}.

Examples:
  terraform-daemon applies -A
  terraform-daemon applies -n team-a -o json | jq '.applies[] | select(.state == "failed")'
  terraform-daemon applies retry team-a/oss-bucket`,
  run(raw, own: AppliesOptions, { stdout }) {
    const { callJson, kubeconfig, namespace } = openApiServer(raw);
    const write = (text: string) => stdout.write(text);
    const where = own.allNamespaces ? undefined : (own.namespace ?? namespace);
    const output = { kubeconfig, format: own.output, terminal: terminalOf(stdout), write };
    return applies(createApplyStore(callJson), where, output);
  },
} as const satisfies Subcommand;
