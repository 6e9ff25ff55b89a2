import { installOptions, type Subcommand } from '../../cli/command-line.ts';
import { hostAndPort, oneOf } from '../../cli/option-parsers.ts';
import { openCluster } from '../cluster.ts';
import { type InspectOptions, inspect } from './inspect.ts';
import { verdicts } from './report.ts';

export const inspectCommand = {
  description: 'show the certificates, what the API server trusts and what the endpoint presents, and judge them',
  shared: [
    ...installOptions,
    'service-name',
    'service-port',
    'webhook-configuration-name',
    'webhook-bind-port',
    'webhook-url',
    'webhook-cert-path',
    'key-size',
    'settle-time',
  ],
  own: [
    { flags: '-o, --output <format>', description: 'text or json', default: 'text', parse: oneOf('text', 'json') },
    {
      flags: '--address <host:port>',
      description:
        'where to call the endpoint (default: the Service, or the host of --webhook-url, where its name resolves)',
      parse: hostAndPort,
    },
  ],
  help: `
Reads two objects and needs no other right than to get them. Never prints a private key.

Exit code: 0 healthy, 1 ${verdicts.unhealthy.meaning}, 2 called wrongly,
3 ${verdicts.incomplete.meaning} (verdict: incomplete).

Examples:
  terraform-daemon inspect
  kubectl -n vela-system port-forward service/terraform-job-webhook-service 8443:443 &
  terraform-daemon inspect --address 127.0.0.1:8443
  terraform-daemon inspect -o json | jq .verdict`,
  run(raw, own: InspectOptions, { stdout }) {
    const { config, secrets, registrations, isInPod } = openCluster(raw);
    const write = (text: string) => stdout.write(text);
    return inspect(own, config, { secrets, registrations, isInPod, write, now: () => new Date() });
  },
} as const satisfies Subcommand;
