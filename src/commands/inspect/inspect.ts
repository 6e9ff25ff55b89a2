import { readFile } from 'node:fs/promises';
import { text } from 'node:stream/consumers';
import type { SecretStore } from '../../certs/reconcile.ts';
import { type Config, type RawOptions, readConfig } from '../../cli/config.ts';
import type { InspectOptions } from '../../cli/subcommands.ts';
import { messageOf, OperatorError } from '../../lib/errors.ts';
import type { Pem } from '../../lib/pem.ts';
import { printable } from '../../lib/text.ts';
import { parseObject } from '../../lib/yaml.ts';
import { ownWebhook } from '../../registration/desired.ts';
import { liveBundle, type RegistrationStore } from '../../registration/reconcile.ts';
import { kubeconfigProblems } from '../../stores/kube.ts';
import { toStored } from '../../stores/stored-secret.ts';
import { repairCommands } from '../kubectl-hints.ts';
import { documents, pickObjects } from './exported-objects.ts';
import type { Dialled, Facts, Seen } from './observations.ts';
import { type Address, dial, whyUnresolved } from './probe-endpoint.ts';
import { inspection, serverName } from './report.ts';
import { inspectionText } from './text.ts';
import { verdicts } from './verdicts.ts';

/** What the command has to do with the rest of the world. */
export interface InspectDependencies {
  /** Only in a Pod there is one. */
  readonly podNamespace: string | undefined;
  /** How the objects are read; not asked for where a file is. */
  readonly connect: (config: Config) => {
    readonly secrets: Pick<SecretStore, 'read'>;
    readonly registrations: Pick<RegistrationStore, 'read'>;
  };
  readonly stdin: NodeJS.ReadableStream;
  readonly write: (text: string) => void;
  readonly now: () => Date;
}

/**
 * Looks at everything, and prints it with a verdict.
 *
 * @returns the exit code, which tells the verdict.
 * @throws OperatorError `CONFIG_INVALID`, also for a file that cannot be read; what keeps it from seeing anything.
 */
export async function inspect(
  raw: RawOptions,
  own: InspectOptions,
  dependencies: InspectDependencies,
): Promise<number> {
  const { config, secret, registration } =
    own.file === undefined
      ? await readCluster(raw, dependencies)
      : await readExport(own.file, raw, dependencies.podNamespace, dependencies.stdin);
  const endpoint = await callEndpoint(registration, config, {
    ...own,
    isInPod: dependencies.podNamespace !== undefined,
  });
  const result = inspection({ secret, registration, endpoint }, config, dependencies.now());
  const json = () => `${JSON.stringify(result, (_key, value) => (value === undefined ? null : value), 2)}\n`;
  dependencies.write(printable(own.output === 'json' ? json() : inspectionText(result)));
  return verdicts[result.verdict].exitCode;
}

type Objects = { readonly config: Config } & Omit<Facts, 'endpoint'>;

async function readCluster(
  raw: RawOptions,
  { podNamespace, connect }: Pick<InspectDependencies, 'podNamespace' | 'connect'>,
): Promise<Objects> {
  const config = readConfig(raw, podNamespace, kubeconfigProblems(raw.kubeconfig || undefined));
  const { secrets, registrations } = connect(config);
  const [secret, registration] = await Promise.all([
    config.certificateDirectory === undefined ? seen(secrets.read()) : { object: undefined },
    seen(registrations.read()),
  ]);
  return { config, secret, registration };
}

/** An object that may not be read is told as such: the other one has something to say as well. */
async function seen<T>(reading: Promise<T | undefined>): Promise<Seen<T>> {
  try {
    return { object: await reading };
  } catch (error) {
    if (error instanceof OperatorError && error.code === 'KUBE_FORBIDDEN') return { refused: error.message };
    throw error;
  }
}

async function readExport(
  file: string,
  raw: RawOptions,
  podNamespace: string | undefined,
  stdin: NodeJS.ReadableStream,
): Promise<Objects> {
  try {
    const content = file === '-' ? await text(stdin) : await readFile(file, 'utf8');
    const { secret, registration } = pickObjects(documents(content).map(parseObject), raw);
    // Of a cluster that would mean that nothing is installed; of a file it means that it is the wrong one.
    if (secret === undefined && registration === undefined) throw new Error('neither of the two objects is in it');
    return {
      // The Secret knows where it is from; names in the certificates depend on it.
      config: readConfig(raw, secret?.metadata?.namespace ?? podNamespace),
      secret: { object: secret && toStored(secret) },
      registration: { object: registration },
    };
  } catch (error) {
    if (error instanceof OperatorError) throw error;
    const [problem] = messageOf(error).split('\n');
    throw new OperatorError(
      'CONFIG_INVALID',
      `  --file: found ${JSON.stringify(file)}: ${problem}; allowed is YAML or JSON as kubectl prints it, or - for standard input`,
      { cause: error },
    );
  }
}

interface Call extends Pick<InspectOptions, 'address' | 'file'> {
  readonly isInPod: boolean;
}

async function callEndpoint(
  registration: Facts['registration'],
  config: Config,
  { address, file, isInPod }: Call,
): Promise<Dialled> {
  const live = 'object' in registration ? registration.object : undefined;
  const name = serverName(live, config.certificates.names);
  const bundle = liveBundle(live) ?? ('' as Pem);
  if (address !== undefined) return dial(address, name, bundle);
  const how = isInPod ? waysInPod(config) : waysFromOutside(config, ownWebhook(live)?.clientConfig.service);
  const notDialled = (why: string): Dialled => ({ outcome: 'not-dialled', why, how });
  if (file !== undefined) return notDialled('with -f only the file is looked at, unless there is an --address');
  const registered = addressOf(ownWebhook(live)?.clientConfig, name);
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
