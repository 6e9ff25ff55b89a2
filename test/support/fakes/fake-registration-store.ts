import { setImmediate as nextTurn } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import type { V1MutatingWebhookConfiguration } from '@kubernetes/client-node';
import { OperatorError } from '../../../src/lib/errors.ts';
import { type DesiredRegistration, WEBHOOK_NAME } from '../../../src/registration/desired.ts';
import type { RegistrationStore } from '../../../src/registration/registration-step.ts';

/** A MutatingWebhookConfiguration in memory, with methods for tests. */
export interface FakeRegistrationStore extends RegistrationStore {
  current(): V1MutatingWebhookConfiguration | undefined;
  /** Returns the number of applies that changed the object. */
  writes(): number;
  /** Changes the object as the field manager `another-manager`. */
  edit(change: (live: V1MutatingWebhookConfiguration) => void): void;
  /** Deletes the object. */
  remove(): void;
}

/**
 * Behaves like the API server; the contract tests check it. One simplification: the daemon owns its whole entry, also
 * fields that another manager wrote.
 */
export function createFakeRegistrationStore(): FakeRegistrationStore {
  // No object has the revision 1, as in etcd.
  let revision = 1;
  let writes = 0;
  let live: V1MutatingWebhookConfiguration | undefined;

  /** An unchanged object keeps its resourceVersion. */
  function store(next: V1MutatingWebhookConfiguration): boolean {
    const resourceVersion = live?.metadata?.resourceVersion;
    const unchanged = { ...next, metadata: { ...next.metadata, resourceVersion } };
    if (isDeepStrictEqual(plain(unchanged), live)) return false;
    revision += 1;
    live = plain({ ...next, metadata: { ...next.metadata, resourceVersion: String(revision) } });
    return true;
  }
  function refuseStale(base: string | undefined): void {
    if (live && base !== undefined && base !== live.metadata?.resourceVersion) {
      throw new OperatorError('KUBE_CONFLICT', 'the object has been modified');
    }
  }
  return {
    async read() {
      await nextTurn();
      return structuredClone(live);
    },
    async replaceEntry(base, index, entry) {
      await nextTurn();
      refuseStale(base.metadata?.resourceVersion);
      if (live === undefined) throw new OperatorError('KUBE_CONFLICT', 'the object was deleted');
      const next = { ...structuredClone(live), webhooks: structuredClone(live?.webhooks ?? []).with(index, entry) };
      if (store(next)) writes += 1;
      return structuredClone(live) as V1MutatingWebhookConfiguration;
    },
    async apply(desired) {
      await nextTurn();
      refuseStale(desired.metadata?.resourceVersion);
      if (store(merged(live, desired))) writes += 1;
      return structuredClone(live) as V1MutatingWebhookConfiguration;
    },
    current: () => structuredClone(live),
    writes: () => writes,
    remove() {
      live = undefined;
    },
    edit(change) {
      if (live === undefined) throw new Error('there is no registration to edit');
      const next = structuredClone(live);
      change(next);
      if (isDeepStrictEqual(plain(next), live)) return;
      const time = new Date('2026-03-01T12:00:00Z');
      store({ ...next, metadata: { ...next.metadata, managedFields: [{ manager: 'another-manager', time }] } });
    },
  };
}

function merged(
  live: V1MutatingWebhookConfiguration | undefined,
  desired: DesiredRegistration,
): V1MutatingWebhookConfiguration {
  const [own] = desired.webhooks;
  const entries = live?.webhooks ?? [];
  const isKnown = entries.some(({ name }) => name === WEBHOOK_NAME);
  return {
    ...desired,
    metadata: {
      ...live?.metadata,
      ...desired.metadata,
      labels: { ...live?.metadata?.labels, ...desired.metadata?.labels },
    },
    webhooks: isKnown ? entries.map((entry) => (entry.name === WEBHOOK_NAME ? own : entry)) : [...entries, own],
  };
}

/** Returns the value without null fields, as the API server stores it. */
const plain = <T>(value: T): T =>
  JSON.parse(JSON.stringify(value, (_field, part) => (part === null ? undefined : part)));
