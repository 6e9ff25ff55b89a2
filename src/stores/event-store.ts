import type { CoreV1Event } from '@kubernetes/client-node';
import type { JobEvent } from '../backstop/job-events.ts';
import { orAbsent, orFail, wasWritten } from '../kube/errors.ts';
import { FIELD_MANAGER } from '../kube/managed-fields.ts';
import type { CallJson } from '../kube/requests.ts';
import { type ErrorCode, errorCodes } from '../lib/errors.ts';
import { eventReasons, type PublishEvent } from '../telemetry/events.ts';

const common = { apiVersion: 'v1', kind: 'Event', source: { component: FIELD_MANAGER } } as const;

/** Returns the name of the Event about the Secret: one for each pair of action and reason. */
const eventName = (secret: string, { action, reason }: { readonly action: string; readonly reason: string }): string =>
  `${secret}.${action}.${reason.toLowerCase().replaceAll('_', '-')}`;

const eventsIn = (namespace: string): string => `/api/v1/namespaces/${namespace}/events`;

/**
 * Returns a function that writes an Event about the Secret `namespace/name`. Each pair of action and reason has one
 * Event, which all replicas share. Each write adds the new occurrences to its count.
 */
export const createEventPublisher =
  (callJson: CallJson, { namespace, name }: { readonly namespace: string; readonly name: string }): PublishEvent =>
  async ({ note, ...fields }, { at, count }) => {
    const event = eventName(name, fields);
    const path = `${eventsIn(namespace)}/${event}`;
    const what = `write Event ${namespace}/${event}`;
    const before = (await orAbsent(callJson('GET', path), what)) as CoreV1Event | undefined;
    const body = {
      ...common,
      ...fields,
      reason: eventReasons[fields.reason],
      metadata: { namespace, name: event },
      involvedObject: { apiVersion: 'v1', kind: 'Secret', namespace, name },
      message: note,
      firstTimestamp: before?.firstTimestamp ?? at,
      lastTimestamp: at,
      count: (before?.count ?? 0) + count,
    };
    const query = { fieldManager: FIELD_MANAGER, force: 'true' };
    await orFail(callJson('PATCH', path, { patch: 'apply', query, body }), what);
  };

/** A failed reconcile, as its Event reports it. */
export interface ReconcileFailure {
  readonly at: Date;
  readonly code: ErrorCode;
  readonly message: string;
}

/**
 * Resolves with the last failed reconcile from its Event; `undefined` if there is none, or if this user cannot read Events.
 * Reads each possible Event by its name, because the daemon has no right to list Events.
 */
export async function readReconcileFailure(
  callJson: CallJson,
  { namespace, name }: { readonly namespace: string; readonly name: string },
): Promise<ReconcileFailure | undefined> {
  const read = async (code: ErrorCode): Promise<ReconcileFailure | undefined> => {
    const path = `${eventsIn(namespace)}/${eventName(name, { action: 'reconcile', reason: code })}`;
    const event = (await orAbsent(callJson('GET', path), 'read Events').catch(() => undefined)) as
      | CoreV1Event
      | undefined;
    const at = new Date(event?.lastTimestamp ?? Number.NaN);
    return Number.isNaN(at.getTime()) ? undefined : { at, code, message: event?.message ?? '' };
  };
  const failures = (await Promise.all(errorCodes.map(read))).filter((one) => one !== undefined);
  return failures.toSorted((one, other) => other.at.getTime() - one.at.getTime())[0];
}

const NO_RIGHT =
  'the user needs the right to create Events, from manifests/base/rbac-backstop.yaml or, with --backstop-namespaces, from a Role';

/** An object that an Event is about. */
interface Regarding {
  readonly apiVersion: string;
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
}

/**
 * Creates an Event about an object, in the namespace of the object. Resolves with `false` if an Event of that name
 * already exists.
 */
export function createEvent(callJson: CallJson, regarding: Regarding, event: JobEvent): Promise<boolean> {
  const { apiVersion, kind, namespace, name, uid } = regarding;
  const { name: eventName, note, ...fields } = event;
  const now = new Date();
  const body = {
    ...common,
    ...fields,
    type: 'Warning',
    metadata: { namespace, name: eventName },
    involvedObject: { apiVersion, kind, namespace, name, uid },
    message: note,
    firstTimestamp: now,
    lastTimestamp: now,
    count: 1,
  };
  const step = ` (${NO_RIGHT} in namespace ${namespace})`;
  return wasWritten(callJson('POST', eventsIn(namespace), { body }), `create Event ${namespace}/${eventName}`, step);
}
