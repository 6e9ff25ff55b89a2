import { installOptions, type Subcommand } from '../../cli/command-line.ts';
import { hostAndPort, oneOf } from '../../cli/option-parsers.ts';
import { createApplyStore } from '../applies/apply-store.ts';
import { observe } from '../applies/observations.ts';
import { openCluster } from '../cluster.ts';
import { terminalOf } from '../terminal.ts';
import { type InspectOptions, inspect } from './inspect.ts';
import { verdicts } from './report.ts';

export const inspectCommand = {
  description: 'check the certificates, the CAs that the API server trusts, and the endpoint',
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
    {
      flags: '-o, --output <format>',
      description: 'text, json or html',
      default: 'text',
      parse: oneOf('text', 'json', 'html'),
    },
    {
      flags: '--address <host:port>',
      description: 'address to connect to (default: the registered Service or URL, if its name resolves)',
      parse: hostAndPort,
    },
  ],
  help: `
Reads the Secret and the MutatingWebhookConfiguration, and needs only the right to get them. With
-o json and -o html it also lists the failed and running Jobs, as far as the current user may read
them; they do not change the exit code. Never prints a private key.

Exit code: 0 healthy, 1 ${verdicts.unhealthy.meaning}, 2 usage error,
3 ${verdicts.incomplete.meaning} (verdict: incomplete).

Examples:
  terraform-daemon inspect
  kubectl -n vela-system port-forward service/terraform-job-webhook-service 8443:443 &
  terraform-daemon inspect --address 127.0.0.1:8443
  terraform-daemon inspect -o json | jq .verdict
  terraform-daemon inspect -o html > inspect.html`,
  run(raw, own: InspectOptions, { stdout }) {
    const { config, callJson, ...cluster } = openCluster(raw);
    return inspect(own, config, {
      ...cluster,
      raw,
      readApplies: () => observe(createApplyStore(callJson), undefined),
      terminal: terminalOf(stdout),
      write: (text) => stdout.write(text),
      now: () => new Date(),
    });
  },
} as const satisfies Subcommand;
