import type { V1MutatingWebhookConfiguration } from '@kubernetes/client-node';
import type { SecretStore } from '../../certs/reconcile.ts';
import type { Config } from '../../cli/config.ts';
import { OperatorError } from '../../lib/errors.ts';
import type { Pem } from '../../lib/pem.ts';
import { printable } from '../../lib/text.ts';
import { ownWebhook } from '../../registration/desired.ts';
import { liveBundle, type RegistrationStore } from '../../registration/reconcile.ts';
import { repairCommands } from '../kubectl-hints.ts';
import type { Dialled, Seen } from './observations.ts';
import { type Address, dial, whyUnresolved } from './probe-endpoint.ts';
import { inspection, serverName } from './report.ts';
import { inspectionText } from './text.ts';
import { verdicts } from './verdicts.ts';

export interface InspectOptions {
  readonly output: 'text' | 'json';
  readonly address: Address | undefined;
}

export interface InspectDependencies {
  readonly secrets: Pick<SecretStore, 'read'>;
  readonly registrations: Pick<RegistrationStore, 'read'>;
  /** Decides which commands are proposed: a Pod has no kubectl and needs no port-forward. */
  readonly isInPod: boolean;
  readonly write: (text: string) => void;
  readonly now: () => Date;
}

/**
 * Reads both objects, calls the endpoint, and prints the result with a verdict.
 *
 * @returns the exit code of the verdict.
 * @throws OperatorError the `KUBE_…` codes, except for an object that this user may not read: that is a finding.
 */
export async function inspect(
  { output, address }: InspectOptions,
  config: Config,
  { secrets, registrations, isInPod, write, now }: InspectDependencies,
): Promise<number> {
  const [secret, registration] = await Promise.all([
    config.certificateDirectory === undefined ? seen(secrets.read()) : { object: undefined },
    seen(registrations.read()),
  ]);
  const live = 'object' in registration ? registration.object : undefined;
  const endpoint = await callEndpoint(live, config, { address, isInPod });
  const result = inspection({ secret, registration, endpoint }, config, now());
  const json = () => `${JSON.stringify(result, (_key, value) => (value === undefined ? null : value), 2)}\n`;
  write(printable(output === 'json' ? json() : inspectionText(result)));
  return verdicts[result.verdict].exitCode;
}

/** A user who may read only one of the two objects still gets a report on that one. */
async function seen<T>(reading: Promise<T | undefined>): Promise<Seen<T>> {
  try {
    return { object: await reading };
  } catch (error) {
    if (error instanceof OperatorError && error.code === 'KUBE_FORBIDDEN') return { refused: error.message };
    throw error;
  }
}

async function callEndpoint(
  live: V1MutatingWebhookConfiguration | undefined,
  config: Config,
  { address, isInPod }: { readonly address: Address | undefined; readonly isInPod: boolean },
): Promise<Dialled> {
  const client = ownWebhook(live)?.clientConfig;
  const name = serverName(live, config.certificates.names);
  const bundle = liveBundle(live) ?? ('' as Pem);
  if (address !== undefined) return dial(address, name, bundle);
  const how = isInPod ? waysInPod(config) : waysFromOutside(config, client?.service);
  const notDialled = (why: string): Dialled => ({ outcome: 'not-dialled', why, how });
  const registered = addressOf(client, name);
  if (registered === undefined) return notDialled('nothing that could be called is registered');
  const why = await whyUnresolved(registered.host);
  return why === undefined ? dial(registered, name, bundle) : notDialled(`${registered.host} ${why}`);
}

/** A Pod that can run this is taken to be the daemon's. There is no kubectl in it, and nothing to be forwarded. */
const waysInPod = ({ endpoint }: Config): string[] => [inspectAt(`127.0.0.1:${endpoint.port || '<port>'}`)];

function waysFromOutside(
  config: Config,
  service: { readonly namespace: string; readonly name: string; readonly port?: number } | undefined = serviceOf(
    config,
  ),
): string[] {
  if (service === undefined) return [inspectAt('<host:port>')];
  return [repairCommands(config).portForward({ port: 443, ...service }), inspectAt('127.0.0.1:8443')];
}

const inspectAt = (address: string): string => `terraform-daemon inspect --address ${address}`;

const serviceOf = ({ registration: { target } }: Config) => ('service' in target ? target.service : undefined);

/** Where the API server calls. */
function addressOf(
  client: { readonly url?: string; readonly service?: { readonly port?: number } } | undefined,
  name: string,
): Address | undefined {
  if (client?.service) return { host: name, port: client.service.port ?? 443 };
  const url = client?.url === undefined ? null : URL.parse(client.url);
  return url === null ? undefined : { host: name, port: Number(url.port || 443) };
}
