import type { V1MutatingWebhookConfiguration } from '@kubernetes/client-node';
import type { SecretStore } from '../../certs/secret-step.ts';
import type { Config, RawOptions } from '../../cli/config.ts';
import { OperatorError } from '../../lib/errors.ts';
import type { Pem } from '../../lib/pem.ts';
import { printable } from '../../lib/text.ts';
import { ownWebhook } from '../../registration/desired.ts';
import { liveBundle, type RegistrationStore } from '../../registration/registration-step.ts';
import type { ReadApplies } from '../applies/report.ts';
import { inspectCommand, repairCommands } from '../kubectl-hints.ts';
import type { Terminal } from '../terminal.ts';
import { objectOf, type ProbeResult, type Reading, type Readings, registeredEndpoint } from './observations.ts';
import { type Address, probeEndpoint, resolutionProblem } from './probe-endpoint.ts';
import { createReport, verdicts } from './report.ts';
import { reportHtml } from './report-html.ts';
import { reportText } from './report-text.ts';

export interface InspectOptions {
  readonly output: 'text' | 'json' | 'html';
  readonly address: Address | undefined;
}

export interface InspectDependencies {
  readonly secrets: Pick<SecretStore, 'read'>;
  readonly registrations: Pick<RegistrationStore, 'read'>;
  /** Reads the Event of the last failed reconcile. */
  readonly readFailure: () => Promise<Readings['failure']>;
  /** Reads the failed and running Jobs of all namespaces. */
  readonly readApplies: () => Promise<ReadApplies>;
  /** Reads the phase of the namespace of the install, or `absent`. */
  readonly readNamespacePhase: () => Promise<string | undefined>;
  /** Whether this process runs in a Pod. The commands that probe the endpoint then contain no port-forward. */
  readonly isInPod: boolean;
  /** The shared options of this call. */
  readonly raw: RawOptions;
  readonly terminal: Terminal;
  readonly write: (text: string) => void;
  readonly now: () => Date;
}

/**
 * Reads the Secret and the webhook configuration, calls the endpoint, and prints the report.
 *
 * @returns the exit code.
 * @throws OperatorError with a `KUBE_…` code, if neither object can be read. A failed read of one object is a finding.
 */
export async function inspect(
  { output, address }: InspectOptions,
  config: Config,
  { secrets, registrations, isInPod, raw, terminal, ...dependencies }: InspectDependencies,
): Promise<number> {
  const [secret, registration, failure, namespacePhase, applies] = await Promise.all([
    config.certificateDirectory === undefined ? readable(secrets.read()) : ('unused' as const),
    readable(registrations.read()),
    dependencies.readFailure(),
    dependencies.readNamespacePhase(),
    output === 'text' ? undefined : readable(dependencies.readApplies()),
  ]);
  if (registration instanceof OperatorError && (secret === 'unused' || secret instanceof OperatorError)) {
    throw registration;
  }
  const endpoint = await probe({ secret, registration }, config, { address, isInPod, raw });
  const readings = { secret, registration, endpoint, failure, namespacePhase, applies };
  const report = createReport(readings, config, dependencies.now());
  const formats: Readonly<Record<InspectOptions['output'], () => string>> = {
    text: () => reportText(report, terminal),
    json: () => printable(`${JSON.stringify(report, (_key, value) => (value === undefined ? null : value), 2)}\n`),
    html: () => reportHtml(report),
  };
  dependencies.write(formats[output]());
  return verdicts[report.verdict].exitCode;
}

/** Resolves with why a read has failed, so that the report still has the other object. */
async function readable<T>(reading: Promise<T | undefined>): Promise<Reading<T>> {
  try {
    return (await reading) ?? 'absent';
  } catch (error) {
    if (!(error instanceof OperatorError)) throw error;
    return error.code === 'KUBE_FORBIDDEN' ? 'refused' : error;
  }
}

async function probe(
  { secret, registration }: Pick<Readings, 'secret' | 'registration'>,
  config: Config,
  { address, isInPod, raw }: Pick<InspectOptions, 'address'> & Pick<InspectDependencies, 'isInPod' | 'raw'>,
): Promise<ProbeResult> {
  const live = objectOf(registration);
  const { serverName, port } = registeredEndpoint(live, config);
  const bundle = liveBundle(live) ?? ('' as Pem);
  if (address !== undefined) return probeEndpoint(address, serverName, bundle);
  const isInstalled = secret !== 'absent' || registration !== 'absent';
  const how = isInstalled ? probeCommands(live, config, { isInPod, raw }) : [];
  const notProbed = (why: string): ProbeResult => ({ outcome: 'not-dialled', why, how });
  if (port === undefined) {
    const isRead = live !== undefined || registration === 'absent';
    return notProbed(isRead ? 'no registered endpoint was found' : 'the registered endpoint cannot be read');
  }
  const why = await resolutionProblem(serverName);
  if (why !== undefined) return notProbed(`${serverName} ${why}`);
  return probeEndpoint({ host: serverName, port }, serverName, bundle);
}

/** Returns the commands that probe the endpoint from here. */
function probeCommands(
  live: V1MutatingWebhookConfiguration | undefined,
  config: Config,
  { isInPod, raw }: Pick<InspectDependencies, 'isInPod' | 'raw'>,
): string[] {
  if (isInPod) return [inspectCommand(`127.0.0.1:${config.endpoint.port || '<port>'}`, raw)];
  const { target } = config.registration;
  const service = ownWebhook(live)?.clientConfig.service ?? ('service' in target ? target.service : undefined);
  if (service === undefined) return [inspectCommand('<host:port>', raw)];
  return [repairCommands(config).portForward({ port: 443, ...service }), inspectCommand('127.0.0.1:8443', raw)];
}
