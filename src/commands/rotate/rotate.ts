import { setTimeout as delay } from 'node:timers/promises';
import type { StoredSecret } from '../../certs/secret.ts';
import { type Asked, ROTATE } from '../../certs/secret-annotations.ts';
import { type ExitCode, exitCodes } from '../../cli/exit-codes.ts';
import { OperatorError } from '../../lib/errors.ts';
import { timings } from '../../lib/timings.ts';
import type { openCluster } from '../cluster.ts';
import {
  combineRequests,
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
  /** Writes a line for the user. */
  readonly say: (line: string) => void;
}

type Cluster = Pick<ReturnType<typeof openCluster>, 'config' | 'secrets'>;

const POLL_MS = 1_000;

/**
 * Requests a rotation with an annotation on the Secret, and prints the progress until the rotation is done.
 *
 * @returns the exit code: 0 done, 1 not done, 130 interrupted.
 * @throws OperatorError with a `KUBE_…` code if the Secret cannot be read or written. A retryable failure of a poll
 * does not throw.
 */
export async function rotate({ wanted, timeoutMs, say }: RotateOptions, cluster: Cluster): Promise<ExitCode> {
  const { config } = cluster;
  const stop = firstSignal();
  const request = await ask(wanted, cluster);
  if ('refused' in request) {
    say(`not done: ${request.refused}`);
    return exitCodes.failed;
  }
  const { asked, before } = request;
  say(asked === 'ca' ? 'requested a new CA' : 'requested a new serving certificate');
  if (before.set.phase !== 'stable') say(`a rotation is in progress: ${phaseLine(before.set, config.certificates)}`);
  let pending: PendingRotation = { asked, before, last: before, startedAt: new Date(), changedAt: undefined };
  while (!stop.aborted) {
    const result = poll(pending, await readAgain(cluster), { config, timeoutMs, now: new Date() });
    for (const line of result.lines) say(line);
    if (result.exitCode !== undefined) return result.exitCode;
    pending = result.pending;
    await delay(POLL_MS, undefined, { signal: stop }).catch(() => undefined);
  }
  say('interrupted: the daemon continues the rotation; terraform-daemon inspect shows its phase');
  return exitCodes.interrupted;
}

/**
 * Returns a signal that the first SIGINT or SIGTERM aborts. A second signal of the same kind ends the process at once.
 */
function firstSignal(): AbortSignal {
  const controller = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM']) process.once(name, () => controller.abort());
  return controller.signal;
}

type Request = { readonly refused: string } | { readonly asked: Asked; readonly before: RotationState };

async function ask(wanted: Asked, { config, secrets }: Cluster): Promise<Request> {
  for (let lost = 0; lost < timings.lostRace.tries; lost += 1) {
    const stored = await secrets.read();
    const refused = obstacle(stored, config);
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
