import { installOptions, type Subcommand } from '../../cli/command-line.ts';
import { duration } from '../../cli/option-parsers.ts';
import { openCluster } from '../cluster.ts';
import { progressOutput, terminalOf } from '../terminal.ts';
import { rotate } from './rotate.ts';

export const rotateCommand = {
  description: 'request a new serving certificate or CA from the daemon, and wait for it',
  shared: [...installOptions, 'settle-time'],
  own: [
    { flags: '--ca', description: 'rotate the CA and the serving certificate' },
    {
      flags: '--timeout <duration>',
      description: 'maximum wait for the end of the rotation',
      default: 600_000,
      defaultText: '10m',
      parse: duration('1s', '876000h'),
    },
  ],
  help: `
The command writes the annotation terraform.job.kb.io/rotate on the Secret, which needs the rights
to get and patch the Secret. The daemon performs the rotation, and continues it if this command
ends.

Exit code: 0 done, 1 not done, 2 usage error, 130 interrupted.

Examples:
  terraform-daemon rotate
  terraform-daemon rotate --ca --timeout 30m`,
  run(raw, { ca, timeout }: { readonly ca: boolean; readonly timeout: number }, { stdout }) {
    const wanted = ca ? 'ca' : 'serving';
    const terminal = terminalOf(stdout);
    return rotate({ wanted, timeoutMs: timeout, terminal, output: progressOutput(stdout) }, openCluster(raw));
  },
} as const satisfies Subcommand;
