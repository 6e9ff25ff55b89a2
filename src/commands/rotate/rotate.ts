import { setTimeout as delay } from 'node:timers/promises';
import type { StoredSecret } from '../../certs/secret.ts';
import { type Asked, ROTATE } from '../../certs/secret-annotations.ts';
import { type ExitCode, exitCodes } from '../../cli/exit-codes.ts';
import { OperatorError } from '../../lib/errors.ts';
import { timings } from '../../lib/timings.ts';
import type { openCluster } from '../cluster.ts';
import { firstSignal } from '../first-signal.ts';
import { namespaceHint } from '../inspect/observations.ts';
import type { ProgressOutput, Terminal } from '../terminal.ts';
import {
  combineRequests,
  countdown,
  notDone,
  obstacle,
  type PendingRotation,
  phaseLine,
  poll,
  type RotationState,
  rotationState,
} from './progress.ts';

export interface RotateOptions {
  readonly wanted: Asked;
  readonly timeoutMs: number;
  readonly terminal: Terminal;
  readonly output: ProgressOutput;
}

type Cluster = Pick<ReturnType<typeof openCluster>, 'config' | 'secrets' | 'registrations'>;

const POLL_MS = 1_000;

/**
 * Requests a rotation with an annotation on the Secret, and prints the progress until the rotation is done.
 *
 * @returns the exit code: 0 done, 1 not done, 130 interrupted.
 * @throws OperatorError with a `KUBE_…` code if the Secret cannot be read or written. A retryable failure of a poll
 * does not throw.
 */
export async function rotate(options: RotateOptions, cluster: Cluster): Promise<ExitCode> {
  const { certificates } = cluster.config;
  const { wanted, terminal } = options;
  const { say, show } = options.output;
  const stop = firstSignal();
  // After the first signal a read can continue. A second signal then ends the process at once, so clear the line now.
  stop.addEventListener('abort', () => show(undefined));
  const request = await ask(wanted, cluster);
  if ('refused' in request) {
    say(notDone(request.refused, terminal));
    return exitCodes.failed;
  }
  const { asked, before } = request;
  say(asked === 'ca' ? 'requested a new CA' : 'requested a new serving certificate');
  if (before.set.phase !== 'stable') say(`a rotation is in progress: ${phaseLine(before.set, certificates)}`);
  const requested: PendingRotation = { asked, before, last: before, startedAt: new Date(), changedAt: undefined };
  return follow(requested, { ...options, stop }, cluster).finally(() => show(undefined));
}

/** Prints the progress of a requested rotation until it is done or the signal is aborted. */
async function follow(
  requested: PendingRotation,
  { timeoutMs, terminal, output, stop }: RotateOptions & { readonly stop: AbortSignal },
  cluster: Cluster,
): Promise<ExitCode> {
  const { config } = cluster;
  let pending = requested;
  while (!stop.aborted) {
    const stored = await readAgain(cluster);
    const now = new Date();
    const result = poll(pending, stored, { config, timeoutMs, now, paint: terminal.paint });
    for (const line of result.lines) output.say(line);
    if (result.exitCode !== undefined) return result.exitCode;
    pending = result.pending;
    if (!stop.aborted) output.show(countdown(pending.last.set, config.certificates, now));
    await delay(POLL_MS, undefined, { signal: stop }).catch(() => undefined);
  }
  output.say('interrupted: the daemon continues the rotation; terraform-daemon inspect shows its phase');
  return exitCodes.interrupted;
}

type Request = { readonly refused: string } | { readonly asked: Asked; readonly before: RotationState };

async function ask(wanted: Asked, { config, secrets, registrations }: Cluster): Promise<Request> {
  for (let lost = 0; lost < timings.lostRace.tries; lost += 1) {
    const stored = await secrets.read();
    // Only a better message depends on the registration, so a failed read of it is no error.
    const live = stored ? undefined : await registrations.read().catch(() => undefined);
    const refused = obstacle(stored, config, namespaceHint(live, config));
    if (refused !== undefined || stored === undefined) return { refused: refused ?? '' };
    const before = rotationState(stored);
    const asked = combineRequests(wanted, before.asked);
    if (before.asked === asked) return { asked, before };
    const content = { labels: {}, annotations: { [ROTATE]: asked }, data: {} };
    if (await secrets.update(content, stored.resourceVersion)) return { asked, before: { ...before, asked } };
  }
  return { refused: 'other writers changed the Secret during each attempt to write it; try again' };
}

/** Reads the Secret. Resolves with `unreachable` after a retryable failure, so that the next poll tries again. */
async function readAgain({ secrets }: Cluster): Promise<StoredSecret | undefined | 'unreachable'> {
  try {
    return await secrets.read();
  } catch (error) {
    if (error instanceof OperatorError && error.retryable) return 'unreachable';
    throw error;
  }
}
