import type { CoreV1Event } from '@kubernetes/client-node';
import type { JobReference } from '../backstop/decide.ts';
import type { JobEvent } from '../backstop/job-events.ts';
import { orAbsent, orFail, wasWritten } from '../kube/errors.ts';
import { FIELD_MANAGER } from '../kube/managed-fields.ts';
import type { CallJson } from '../kube/requests.ts';
import type { EventStore } from '../telemetry/events.ts';

interface EventFields extends Pick<CoreV1Event, 'involvedObject' | 'type' | 'action' | 'reason' | 'count'> {
  readonly note: string;
  readonly firstAt: Date;
  readonly lastAt: Date;
}

function toEvent(
  metadata: { readonly namespace: string; readonly name: string },
  { note, firstAt, lastAt, ...fields }: EventFields,
): CoreV1Event {
  const times = { firstTimestamp: firstAt, lastTimestamp: lastAt };
  const source = { component: FIELD_MANAGER };
  return { ...fields, ...times, apiVersion: 'v1', kind: 'Event', metadata, message: note, source };
}

const eventsIn = (namespace: string): string => `/api/v1/namespaces/${namespace}/events`;

/**
 * Events about the Secret `namespace/name`: one for each action and reason. Its count grows with each occurrence, whichever
 * replica reports it.
 */
export function createEventStore(
  callJson: CallJson,
  { namespace, name }: { readonly namespace: string; readonly name: string },
): EventStore {
  const involvedObject = { apiVersion: 'v1', kind: 'Secret', namespace, name };
  return {
    async publish({ type, action, reason, note }, { at, count }) {
      const event = `${name}.${action}.${reason.toLowerCase().replaceAll('_', '-')}`;
      const path = `${eventsIn(namespace)}/${event}`;
      const what = `write Event ${namespace}/${event}`;
      const before = (await orAbsent(callJson('GET', path), what)) as CoreV1Event | undefined;
      const body = toEvent(
        { namespace, name: event },
        {
          involvedObject,
          type,
          action,
          reason,
          note,
          firstAt: before?.firstTimestamp ?? at,
          lastAt: at,
          count: (before?.count ?? 0) + count,
        },
      );
      const query = { fieldManager: FIELD_MANAGER, force: 'true' };
      await orFail(callJson('PATCH', path, { patch: 'apply', query, body }), what);
    },
  };
}

/** Creates an Event about a Job. Resolves with `false` when it exists already. */
export function createJobEvent(callJson: CallJson, job: JobReference, event: JobEvent): Promise<boolean> {
  const { namespace, name, uid } = job;
  const involvedObject = { apiVersion: 'batch/v1', kind: 'Job', namespace, name, uid };
  const now = new Date();
  const { name: eventName, ...texts } = event;
  const fields: EventFields = { ...texts, type: 'Warning', involvedObject, firstAt: now, lastAt: now, count: 1 };
  const body = toEvent({ namespace, name: eventName }, fields);
  return wasWritten(callJson('POST', eventsIn(namespace), { body }), `create Event ${namespace}/${eventName}`);
}
