import { verdicts } from '../commands/inspect/verdicts.ts';
import { type AdmissionPolicyVersion, admissionPolicyVersions } from '../policy/admission-policy.ts';
import { parseDuration } from './durations.ts';
import type { Parsed } from './option-parsers.ts';
import type { OptionName } from './options.ts';

/** An option that only one subcommand has. It has no variable: it is about this one call. */
export interface OwnOption {
  /** As commander reads them: `-o, --output <format>`. */
  readonly flags: string;
  readonly description: string;
  readonly default?: unknown;
  readonly defaultText?: string;
  readonly parse?: (text: string) => Parsed<unknown>;
}

/** A subcommand beside `run`. */
export interface Subcommand {
  readonly description: string;
  /** Those that it shares with `run`, with the same variables and defaults. */
  readonly shared: readonly OptionName[];
  readonly own: readonly OwnOption[];
  /** What `--help` says after the options. */
  readonly help: string;
}

/** What the objects and the install are called, and how the API server is reached. */
const naming: readonly OptionName[] = ['kubeconfig', 'namespace', 'secret-name', 'owner-cluster-role'];

export interface InspectOptions {
  readonly output: 'text' | 'json';
  readonly address: { readonly host: string; readonly port: number } | undefined;
}

export interface PolicyOptions {
  readonly apiVersion: AdmissionPolicyVersion;
}

export interface RotateOptions {
  readonly ca: boolean;
  readonly timeout: number;
}

const outputFormat = (text: string): Parsed<string> =>
  text === 'text' || text === 'json' ? { value: text } : { allowed: 'text or json' };

const apiVersion = (text: string): Parsed<AdmissionPolicyVersion> => {
  const value = admissionPolicyVersions.find((version) => version === text);
  return value === undefined ? { allowed: admissionPolicyVersions.join(' or ') } : { value };
};

const timeout = (text: string): Parsed<number> => {
  const value = parseDuration(text);
  return value !== undefined && value > 0 ? { value } : { allowed: 'a duration such as 10m, 90s or 1h30m' };
};

/** `host:port`, with an IPv6 address in brackets. */
export function hostAndPort(text: string): Parsed<{ readonly host: string; readonly port: number }> {
  const [, bracketed, plain, digits] = /^(?:\[([0-9a-fA-F:.%\w]+)\]|([^\s:/[\]]+)):(\d{1,5})$/.exec(text) ?? [];
  const [host, port] = [bracketed ?? plain, Number(digits)];
  return host !== undefined && port >= 1 && port <= 65535
    ? { value: { host, port } }
    : { allowed: '<host>:<port>, such as 127.0.0.1:8443 or [::1]:8443' };
}

export const subcommands = {
  inspect: {
    description: 'show the certificates, what the API server trusts and what the endpoint presents, and judge them',
    shared: [
      ...naming,
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
      { flags: '-o, --output <format>', description: 'text or json', default: 'text', parse: outputFormat },
      {
        flags: '--address <host:port>',
        description: 'where to call the endpoint',
        defaultText: 'the Service, or the host of --webhook-url, where its name resolves',
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
  },
  policy: {
    description: 'print the policy as a MutatingAdmissionPolicy and its binding: the same without a webhook',
    shared: ['policy-file'],
    own: [
      {
        flags: '--api-version <version>',
        description: 'v1 for Kubernetes 1.36 and later, v1beta1 for 1.34 and 1.35',
        default: 'v1',
        parse: apiVersion,
      },
    ],
    help: `
Calls nothing. Where the API server applies these two objects it caps the Jobs by itself; the daemon
may run beside it, and is then not called. On 1.34 and 1.35 the API server needs the feature gate
MutatingAdmissionPolicy and --runtime-config=admissionregistration.k8s.io/v1beta1=true.

Exit code: 0 printed, 2 called wrongly or the policy file cannot be used.

Examples:
  terraform-daemon policy | kubectl apply -f -
  terraform-daemon policy --policy-file policy.yaml --api-version v1beta1`,
  },
  rotate: {
    description: 'have the running daemon renew the serving certificate, or rotate the CA, and wait until it is done',
    shared: [...naming, 'settle-time'],
    own: [
      { flags: '--ca', description: 'rotate the certificate authority, and with it the serving certificate' },
      {
        flags: '--timeout <duration>',
        description: 'how long to wait until it is done',
        default: 600_000,
        defaultText: '10m',
        parse: timeout,
      },
    ],
    help: `
Writes the annotation terraform.job.kb.io/rotate on the Secret, which needs the rights to get and to
patch it. The daemon does the rest: ending this command does not end the rotation.

Exit code: 0 done, 1 not done and why, 2 called wrongly, 130 interrupted.

Examples:
  terraform-daemon rotate
  terraform-daemon rotate --ca --timeout 30m`,
  },
} as const satisfies Readonly<Record<string, Subcommand>>;
