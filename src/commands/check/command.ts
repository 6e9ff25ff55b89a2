import type { Subcommand } from '../../cli/command-line.ts';
import { readPolicyOption } from '../../cli/option-files.ts';
import { duration, oneOf } from '../../cli/option-parsers.ts';
import { openCluster } from '../cluster.ts';
import { terminalOf } from '../terminal.ts';
import { type CheckOptions, check } from './check.ts';
import { checkVerdicts, passedWithoutDryRun } from './report.ts';

export const checkCommand = {
  description: 'prove with a dry run of a Job that the API server, the webhook and the daemon work together',
  shared: [
    'kubeconfig',
    'namespace',
    'owner-cluster-role',
    'webhook-configuration-name',
    'webhook-bind-port',
    'policy-file',
    'backstop-namespaces',
  ],
  own: [
    { flags: '--pre', description: 'check what an install needs, before it' },
    {
      flags: '--wait <duration>',
      description: 'repeat a failed check for this time',
      default: 0,
      defaultText: '0s',
      parse: duration('0s', '24h'),
    },
    { flags: '-o, --output <format>', description: 'text or json', default: 'text', parse: oneOf('text', 'json') },
  ],
  help: `
Sends a Job of terraform-controller to the API server as a dry run, which stores nothing, and
compares the returned Job with the policy. The Job is sent to the namespace of --namespace. The
current user must have the right to create Jobs there. The command skips each check for whose read
the user has no right. It needs no port-forward. Set --policy-file if the daemon has one, and
with --pre also --backstop-namespaces.

Exit code: 0 ${checkVerdicts.passed.meaning}
(${passedWithoutDryRun}),
1 ${checkVerdicts.failed.meaning}, 2 usage error,
3 ${checkVerdicts.incomplete.meaning}.

Examples:
  terraform-daemon check --pre
  terraform-daemon check --pre --backstop-namespaces team-a,team-b
  terraform-daemon check --wait 2m
  terraform-daemon check --namespace team-a -o json | jq .verdict`,
  run(raw, own: CheckOptions, { stdout }) {
    const { content, problems } = readPolicyOption(raw);
    const { config, callJson, registrations, isInPod } = openCluster(raw, problems);
    const policy = config.policyFile === undefined ? undefined : content;
    const write = (text: string) => stdout.write(text);
    return check(own, { config, callJson, registrations, policy, isInPod }, { terminal: terminalOf(stdout), write });
  },
} as const satisfies Subcommand;
