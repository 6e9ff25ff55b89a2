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
    const { config, secrets } = openCluster(raw);
    return rotate({ ca, timeoutMs: timeout }, config, {
      secrets,
      say: (line) => stdout.write(`${line}\n`),
      now: () => new Date(),
      stop: firstSignal(),
    });
  },
} as const satisfies Subcommand;

/** Aborted by the first SIGINT or SIGTERM. The second one ends the process, as it does without a handler. */
function firstSignal(): AbortSignal {
  const controller = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM']) process.once(name, () => controller.abort());
  return controller.signal;
}
