import type { Reason } from '../certs/reason-texts.ts';
import { type ErrorCode, messageOf } from '../lib/errors.ts';
import type { Log } from '../lib/log.ts';
import { logOncePerOutage } from '../lib/log-once.ts';
import type { RegistrationReason } from '../registration/drift.ts';

/**
 * UpperCamelCase, as the Kubernetes API conventions require: `ca-lost` becomes `CaLost`, `KUBE_CONFLICT`
 * `KubeConflict`.
 */
type UpperCamel<Word extends string> = Word extends `${infer First}${'-' | '_'}${infer Rest}`
  ? `${Capitalize<Lowercase<First>>}${UpperCamel<Rest>}`
  : Capitalize<Lowercase<Word>>;

/** The reason of the Event for each reason of log and metrics: the same words, with a noun added if needed. */
export const eventReasons = {
  absent: 'SecretAbsent',
  'ca-lost': 'CaLost',
  unparsable: 'CertificateUnparsable',
  'key-mismatch': 'KeyMismatch',
  'wrong-chain': 'WrongChain',
  'wrong-usage': 'WrongUsage',
  'missing-name': 'MissingName',
  'not-yet-valid': 'CertificateNotYetValid',
  expired: 'CertificateExpired',
  due: 'RenewalDue',
  'weak-key': 'WeakKey',
  unsupported: 'CertificateUnsupported',
  'negative-serial': 'NegativeSerial',
  'outlives-ca': 'CertificateOutlivesCa',
  'foreign-ca': 'ForeignCa',
  'duplicate-ca': 'DuplicateCa',
  'unparsable-bundle': 'UnparsableBundle',
  swapped: 'SecretSwapped',
  'wrong-phase': 'WrongPhase',
  restart: 'DaemonRestarted',
  asked: 'RotationAsked',
  'no-registration': 'NoRegistration',
  'entry-removed': 'EntryRemoved',
  'ca-bundle': 'CaBundleDiffers',
  drift: 'RegistrationDrift',
  publish: 'CaPublished',
  settle: 'SettleTimeStarted',
  switch: 'CaSwitched',
  retire: 'CaRetired',
  paused: 'Paused',
  conflict: 'RepairConflict',
  'invalid-annotation': 'InvalidAnnotation',
  'clocks-differ': 'ClocksDiffer',
  'label-changed': 'LabelChanged',
  'policy-loaded': 'PolicyLoaded',
  'client-ca-loaded': 'ClientCaLoaded',
  CONFIG_INVALID: 'ConfigInvalid',
  CERTIFICATE_ISSUE_FAILED: 'CertificateIssueFailed',
  CERTIFICATE_FILES_INVALID: 'CertificateFilesInvalid',
  POLICY_INVALID: 'PolicyInvalid',
  CLIENT_CA_INVALID: 'ClientCaInvalid',
  SECRET_NOT_OURS: 'SecretNotOurs',
  SECRET_DELETING: 'SecretDeleting',
  WRITES_PAUSED: 'WritesPaused',
  KUBE_FORBIDDEN: 'KubeForbidden',
  KUBE_REJECTED: 'KubeRejected',
  KUBE_CONFLICT: 'KubeConflict',
  KUBE_UNAVAILABLE: 'KubeUnavailable',
  REVIEW_MALFORMED: 'ReviewMalformed',
  SERVER_LISTEN_FAILED: 'ServerListenFailed',
} as const satisfies { readonly [Word in EventReason]: `${string}${UpperCamel<Word>}${string}` };

export type EventReason =
  | Reason
  | RegistrationReason
  | ErrorCode
  | 'publish'
  | 'settle'
  | 'switch'
  | 'retire'
  | 'paused'
  | 'conflict'
  | 'invalid-annotation'
  | 'clocks-differ'
  | 'label-changed'
  | 'policy-loaded'
  | 'client-ca-loaded';

/** The content of a Kubernetes Event. */
export interface Notice {
  readonly type: 'Normal' | 'Warning';
  /** The step of the daemon that succeeded or failed. */
  readonly action: string;
  /** The reason in the form of logs and metrics. `eventReasons` maps it to the reason of the Event. */
  readonly reason: EventReason;
  /** The message of the Event. `emit` truncates it. */
  readonly note: string;
}

/** The time of the last occurrence, and the number of occurrences since the last write of the Event. */
export interface Occurrence {
  readonly at: Date;
  readonly count: number;
}

/** Writes an Event. @throws OperatorError with a `KUBE_…` code. */
export type PublishEvent = (notice: Notice, occurrence: Occurrence) => Promise<void>;

/** Emits Events about the Secret of the install, for `kubectl describe` and `kubectl get events`. */
export type Events = ReturnType<typeof createEvents>;

/** Maximum bytes of a note: https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/event-v1/ */
const LONGEST_NOTE = 1_024;
/** Shortest time between two writes of an Event with the same action and reason. Occurrences in between are counted. */
const QUIET_MS = 60_000;

const NOT_WRITTEN = 'cannot write events';

/** Returns a best-effort emitter: no caller waits for the write of an Event, and a failed write is only logged. */
export function createEvents(publish: PublishEvent, log: Log, now: () => Date) {
  /**
   * For each Event written in the last minute, by action and reason: the latest occurrence since that write;
   * `undefined` if there is none.
   */
  const waiting = new Map<string, { readonly notice: Notice; readonly occurrence: Occurrence } | undefined>();
  const outage = logOncePerOutage(log);

  async function write(key: string, notice: Notice, occurrence: Occurrence): Promise<void> {
    waiting.set(key, undefined);
    setTimeout(() => {
      const last = waiting.get(key);
      waiting.delete(key);
      // If the Event has occurred again since the last write, write it again, so that it shows the latest occurrence.
      if (last) void write(key, last.notice, last.occurrence);
    }, QUIET_MS).unref();
    try {
      // With `stream`, the decoder drops a last character whose bytes were cut off.
      const bytes = Buffer.from(notice.note).subarray(0, LONGEST_NOTE);
      await publish({ ...notice, note: new TextDecoder().decode(bytes, { stream: true }) }, occurrence);
      outage.recovered(NOT_WRITTEN);
    } catch (error) {
      outage.failed(NOT_WRITTEN, { reason: messageOf(error) });
    }
  }
  return {
    emit(notice: Notice): void {
      const key = `${notice.action} ${notice.reason}`;
      const occurrence = { at: now(), count: 1 + (waiting.get(key)?.occurrence.count ?? 0) };
      if (waiting.has(key)) waiting.set(key, { notice, occurrence });
      else void write(key, notice, occurrence);
    },
  };
}
