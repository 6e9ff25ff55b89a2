import { installOptions, type Subcommand } from '../../cli/command-line.ts';
import { duration } from '../../cli/option-parsers.ts';
import { openCluster } from '../cluster.ts';
import { rotate } from './rotate.ts';

export const rotateCommand = {
  description: 'have the running daemon renew the serving certificate, or rotate the CA, and wait until it is done',
  shared: [...installOptions, 'settle-time'],
  own: [
    { flags: '--ca', description: 'rotate the certificate authority, and with it the serving certificate' },
    {
      flags: '--timeout <duration>',
      description: 'how long to wait until it is done',
      default: 600_000,
      defaultText: '10m',
      parse: duration('1s', '876000h'),
    },
  ],
  help: `
Writes the annotation terraform.job.kb.io/rotate on the Secret, which needs the rights to get and to
patch it. The daemon does the rest: ending this command does not end the rotation.

Exit code: 0 done, 1 not done and why, 2 called wrongly, 130 interrupted.

Examples:
  terraform-daemon rotate
  terraform-daemon rotate --ca --timeout 30m`,
  run(raw, { ca, timeout }: { readonly ca: boolean; readonly timeout: number }, { stdout }) {
    const say = (line: string) => stdout.write(`${line}\n`);
    return rotate({ wanted: ca ? 'ca' : 'serving', timeoutMs: timeout, say }, openCluster(raw));
  },
} as const satisfies Subcommand;
