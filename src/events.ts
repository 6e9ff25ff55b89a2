import type { Reason } from './certs/reasons.ts';
import type { ErrorCode } from './errors.ts';
import type { Log } from './log.ts';
import type { RegistrationReason } from './registration/drift.ts';

/** Reasons of Events beside those of certificates, of the registration and of failures. */
export const eventReasons = [
  'publish',
  'settle',
  'switch',
  'retire',
  'paused',
  'fight',
  'misunderstood',
  'clocks-differ',
  'policy-loaded',
  'client-ca-loaded',
] as const;

export type EventReason = Reason | RegistrationReason | ErrorCode | (typeof eventReasons)[number];

/** What a Kubernetes Event says. The reason is the word of the log and the metrics. */
export interface Notice {
  readonly type: 'Normal' | 'Warning';
  /** What was done, or not done. */
  readonly action: string;
  readonly reason: EventReason;
  /** For people: one or two sentences. */
  readonly note: string;
}

/** Where Events are written to; `count` says how often the same has happened since the one before. */
export interface EventStore {
  /** @throws OperatorError the `KUBE_…` codes. */
  publish(notice: Notice, count: number): Promise<void>;
}

/** Tells people of what happens, where `kubectl describe` and `kubectl get events` show it. */
export interface Events {
  tell(notice: Notice): void;
}

/** The same notice is written this often at the most; what comes in between is counted. */
const QUIET_MS = 60_000;

/**
 * Events are a courtesy: whatever happens to one, nothing waits for it and nothing fails because of it.
 *
 * @see https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/event-v1/
 */
export function createEvents(store: EventStore, log: Log, now: () => Date): Events {
  const told = new Map<string, { atMs: number; uncounted: number }>();
  let isRefused = false;

  async function publish(notice: Notice, count: number): Promise<void> {
    try {
      await store.publish(notice, count);
      isRefused = false;
    } catch (error) {
      if (!isRefused) log.warn('events are not written', { reason: String((error as Error).message) });
      isRefused = true;
    }
  }
  return {
    tell(notice) {
      const key = `${notice.action} ${notice.reason}`;
      const last = told.get(key);
      const nowMs = now().getTime();
      if (last && nowMs >= last.atMs && nowMs - last.atMs < QUIET_MS) {
        last.uncounted += 1;
        return;
      }
      told.set(key, { atMs: nowMs, uncounted: 0 });
      void publish(notice, 1 + (last?.uncounted ?? 0));
    },
  };
}
