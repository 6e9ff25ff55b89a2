import { setTimeout as sleep } from 'node:timers/promises';
import { type ApiAccess, apiGet } from './api-request.ts';
import { type Component, lastLogLines } from './component.ts';

const POLL_MS = 100;
const DEADLINE_MS = 120_000; // a start takes 5 s on a quiet machine, and much longer on a busy machine

/** Thrown if another process listens on the port that was chosen for the API server. */
export class PortTakenError extends Error {}

/**
 * Resolves when each path returns 200. Rejects with the last lines of a log if a component ends, or if a path does not
 * return 200 within two minutes.
 *
 * @param paths requested in this order.
 * @param components the last one is the component that the paths check.
 */
export async function untilReady(
  { access, paths }: { readonly access: ApiAccess; readonly paths: readonly string[] },
  components: readonly Component[],
  signal?: AbortSignal,
): Promise<void> {
  const deadline = performance.now() + DEADLINE_MS;
  for (const path of paths) {
    for (;;) {
      const answer = await ask(access, path);
      await throwIfEnded(components);
      if (answer === 'ok') break;
      if (performance.now() > deadline) throw await notReady(components, `GET ${path}: ${answer}`);
      await sleep(POLL_MS, undefined, signal && { signal });
    }
  }
}

/** Returns `ok` or a description of the problem. */
async function ask(access: ApiAccess, path: string): Promise<string> {
  try {
    const { status, body } = await apiGet(access, path);
    return status === 200 ? 'ok' : `${status} ${body}`;
  } catch (error) {
    return String(error);
  }
}

async function throwIfEnded(components: readonly Component[]): Promise<void> {
  const dead = components.find((component) => component.hasEnded());
  if (dead === undefined) return;
  const lines = await lastLogLines(dead);
  const message = `${dead.name} ended at its start (${await dead.ended}); the last lines of its log:\n${lines}`;
  throw lines.includes('address already in use') ? new PortTakenError(message) : new Error(message);
}

async function notReady(components: readonly Component[], symptom: string): Promise<Error> {
  const suspect = components.at(-1);
  const lines = suspect === undefined ? '' : await lastLogLines(suspect);
  return new Error(`${suspect?.name} is not ready after ${DEADLINE_MS / 1000} s, ${symptom}; its log ends:\n${lines}`);
}
