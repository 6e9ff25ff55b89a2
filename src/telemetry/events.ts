import type { Reason } from '../certs/reasons.ts';
import { type ErrorCode, messageOf } from '../lib/errors.ts';
import type { Log } from '../lib/log.ts';
import { logOncePerOutage } from '../lib/log-once.ts';
import type { RegistrationReason } from '../registration/drift.ts';

/** Further reasons of Events. The other ones are reasons of certificates, of the registration, and error codes. */
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

/** The content of a Kubernetes Event. The log and the metrics use the same reason. */
export interface Notice {
  readonly type: 'Normal' | 'Warning';
  /** The step that was taken or failed. */
  readonly action: string;
  readonly reason: EventReason;
  /** For people: one or two sentences. */
  readonly note: string;
}

/** The last time it happened, and how often since the previous write. */
export interface Occurrence {
  readonly at: Date;
  readonly count: number;
}

export interface EventStore {
  /** @throws OperatorError the `KUBE_…` codes. */
  publish(notice: Notice, occurrence: Occurrence): Promise<void>;
}

/** Events about the install, as `kubectl describe` and `kubectl get events` show them. */
export interface Events {
  emit(notice: Notice): void;
}

/** Most bytes of a note that an API server accepts: https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/event-v1/ */
const LONGEST_NOTE = 1_024;
/** An Event of one action and reason is written at most this often. Occurrences in between are counted. */
const QUIET_MS = 60_000;

/** Cuts between two characters. The log has the whole note. */
const cut = (note: string): string =>
  new TextDecoder().decode(Buffer.from(note).subarray(0, LONGEST_NOTE), { stream: true });

const NOT_WRITTEN = 'events are not written';

interface Emitted {
  readonly atMs: number;
  /** Occurrences since then. */
  held: number;
  timer?: NodeJS.Timeout;
}

/**
 * Events are best effort: nothing waits for an Event, and nothing fails because of one.
 *
 * @see https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/event-v1/
 */
export function createEvents(store: EventStore, log: Log, now: () => Date): Events {
  const emitted = new Map<string, Emitted>();
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
    clearTimeout(emitted.get(key)?.timer);
    emitted.set(key, { atMs: now().getTime(), held: 0 });
    void publish(notice, occurrence);
  }
  return {
    emit(notice) {
      const key = `${notice.action} ${notice.reason}`;
      const last = emitted.get(key);
      const at = now();
      const sinceMs = at.getTime() - (last?.atMs ?? 0);
      if (last === undefined || sinceMs < 0 || sinceMs >= QUIET_MS) {
        return write(key, notice, { at, count: 1 + (last?.held ?? 0) });
      }
      // The last occurrence must be written: else people would read about a problem that is solved.
      clearTimeout(last.timer);
      last.timer = setTimeout(() => write(key, notice, { at, count: last.held }), QUIET_MS - sinceMs).unref();
      last.held += 1;
    },
  };
}
