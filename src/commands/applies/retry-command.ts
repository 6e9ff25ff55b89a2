import type { Subcommand } from '../../cli/command-line.ts';
import { label } from '../../cli/option-parsers.ts';
import { printable } from '../../lib/text.ts';
import { openApiServer } from '../cluster.ts';
import { progressOutput } from '../terminal.ts';
import { createApplyStore } from './apply-store.ts';
import { ask } from './ask.ts';
import { type Retry, retry } from './retry.ts';
import { target } from './target.ts';

export const retryCommand = {
  description: 'run the failed apply or destroy of a Configuration once more',
  shared: ['kubeconfig'],
  argument: {
    name: 'target',
    shown: 'namespace/configuration',
    description: 'the Configuration, such as team-a/oss-bucket',
    parse: target,
  },
  own: [
    { flags: '-y, --yes', description: 'do not ask' },
    { flags: '--wait', description: 'wait until terraform has ended' },
    {
      flags: '-n, --namespace <name>',
      description: 'namespace of the Job, if terraform-controller has --controller-namespace',
      defaultText: 'found',
      parse: label,
    },
  ],
  help: `
Shows the failed Job and asks. Then it deletes the Job with its Pod and its log, and changes the
annotation terraform.job.kb.io/retried-at of the Configuration, so that terraform-controller creates
the Job again. Waits until the new Job is there, and shows whether it is capped. Needs the rights to
list and delete the Job, and to get and patch the Configuration. Refuses a Job that still runs or
has succeeded. An interrupted retry continues when the command runs again.

Exit code: 0 the new Job is there and capped, or with --wait terraform succeeded,
1 not done, not capped, or terraform failed, 2 usage error, 130 interrupted.

Examples:
  terraform-daemon applies retry team-a/oss-bucket
  terraform-daemon applies retry team-a/oss-bucket --yes --wait`,
  run(raw, own: Pick<Retry, 'target' | 'namespace' | 'yes' | 'wait'>, { stdout }) {
    const { callJson, server, kubeconfig } = openApiServer(raw);
    const { say, show } = progressOutput(stdout);
    const isTerminal = process.stdin.isTTY && stdout.isTTY;
    const talk = {
      say: (line: string) => say(printable(line)),
      show,
      ask: isTerminal ? ask : undefined,
    };
    const cluster = { callJson, server, kubeconfig };
    return retry({ ...own, ...talk, ...cluster, startedAt: new Date(), store: createApplyStore(callJson) });
  },
} as const satisfies Subcommand;
