import type { Reason } from '../certs/reasons.ts';
import { type ErrorCode, messageOf } from '../lib/errors.ts';
import type { Log } from '../lib/log.ts';
import { logOncePerOutage } from '../lib/log-once.ts';
import type { RegistrationReason } from '../registration/drift.ts';

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

/** When it happened, and how often since the Event before. */
export interface Occurrence {
  readonly at: Date;
  readonly count: number;
}

/** Where Events are written to. */
export interface EventStore {
  /** @throws OperatorError the `KUBE_…` codes. */
  publish(notice: Notice, occurrence: Occurrence): Promise<void>;
}

/** Tells people of what happens, where `kubectl describe` and `kubectl get events` show it. */
export interface Events {
  tell(notice: Notice): void;
}

/** Bytes of a note, as far as an API server takes it: https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/event-v1/ */
const LONGEST_NOTE = 1_024;
/** An Event of one action and reason is written this often at the most; what comes in between is counted. */
const QUIET_MS = 60_000;

/** Between two characters. The log has all of it. */
const cut = (note: string): string =>
  new TextDecoder().decode(Buffer.from(note).subarray(0, LONGEST_NOTE), { stream: true });

const NOT_WRITTEN = 'events are not written';

interface Told {
  readonly atMs: number;
  /** How often it has happened since. */
  held: number;
  timer?: NodeJS.Timeout;
}

/**
 * Events are a courtesy: whatever happens to one, nothing waits for it and nothing fails because of it.
 *
 * @see https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/event-v1/
 */
export function createEvents(store: EventStore, log: Log, now: () => Date): Events {
  const told = new Map<string, Told>();
  const outage = logOncePerOutage(log, () => now().getTime());

  async function publish(notice: Notice, occurrence: Occurrence): Promise<void> {
    try {
      await store.publish({ ...notice, note: cut(notice.note) }, occurrence);
      outage.recovered(NOT_WRITTEN);
    } catch (error) {
      outage.failed(NOT_WRITTEN, { reason: messageOf(error) });
    }
  }
  function write(key: string, notice: Notice, occurrence: Occurrence): void {
    clearTimeout(told.get(key)?.timer);
    told.set(key, { atMs: now().getTime(), held: 0 });
    void publish(notice, occurrence);
  }
  return {
    tell(notice) {
      const key = `${notice.action} ${notice.reason}`;
      const last = told.get(key);
      const at = now();
      const sinceMs = at.getTime() - (last?.atMs ?? 0);
      if (last === undefined || sinceMs < 0 || sinceMs >= QUIET_MS) {
        return write(key, notice, { at, count: 1 + (last?.held ?? 0) });
      }
      // The latest one is written in the end: else people would read of a problem that they have mended.
      clearTimeout(last.timer);
      last.timer = setTimeout(() => write(key, notice, { at, count: last.held }), QUIET_MS - sinceMs).unref();
      last.held += 1;
    },
  };
}
