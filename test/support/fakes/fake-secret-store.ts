import { setImmediate as nextTurn } from 'node:timers/promises';
import { SECRET_TYPE, type SecretContent, type StoredSecret } from '../../../src/certs/secret.ts';
import type { SecretStore } from '../../../src/certs/secret-step.ts';
import { withoutNull } from '../builders/a-certificate-set.ts';

export const SECRET_REFERENCE = 'vela-system/terraform-job-webhook-cert';

/** A Secret in memory that several replicas can share, with methods for tests. */
export interface FakeSecretStore extends SecretStore {
  current(): StoredSecret | undefined;
  /** Returns the number of creates, updates and deletes that changed the Secret. */
  writes(): number;
  /** Writes the Secret as another client; `undefined` deletes it. */
  put(secret: StoredSecret | undefined): void;
  /** Sets the finalizers as another client. Without finalizers, a pending deletion takes effect. */
  setFinalizers(finalizers: readonly string[]): void;
  /** Runs an action of another client just before the next create, update or delete. */
  beforeNextWrite(action: () => void): void;
}

/**
 * Behaves like the API server; the contract tests check it. Each call takes a turn of the event loop, so that calls of
 * several callers interleave.
 */
export function createFakeSecretStore(initial?: StoredSecret): FakeSecretStore {
  let revision = 1;
  let secret: StoredSecret | undefined;
  let finalizers: readonly string[] = [];
  let writes = 0;
  let interruption = () => {};

  function put(next: StoredSecret | undefined): void {
    revision += 1;
    secret = next && structuredClone({ ...next, resourceVersion: String(revision) });
  }
  function write({ labels, annotations, data }: SecretContent): void {
    writes += 1;
    put({
      uid: secret?.uid ?? `uid-${revision}`,
      resourceVersion: '',
      type: SECRET_TYPE,
      isImmutable: false,
      deletionWaitsFor: secret?.deletionWaitsFor,
      labels: { ...secret?.labels, ...labels },
      annotations: withoutNull({ ...secret?.annotations, ...annotations }),
      data: withoutNull({ ...secret?.data, ...data }),
      otherWriter: secret?.otherWriter,
    });
  }
  async function arrive(): Promise<void> {
    await nextTurn();
    const action = interruption;
    interruption = () => {};
    action();
  }
  put(initial);
  return {
    reference: SECRET_REFERENCE,
    async read() {
      await nextTurn();
      return structuredClone(secret);
    },
    async create(content) {
      await arrive();
      if (secret !== undefined) return false;
      write(content);
      return true;
    },
    async update(content, resourceVersion) {
      await arrive();
      if (secret?.resourceVersion !== resourceVersion) return false;
      write(content);
      return true;
    },
    async delete({ uid, resourceVersion }) {
      await arrive();
      if (secret?.uid !== uid || secret.resourceVersion !== resourceVersion) return false;
      writes += 1;
      put(finalizers.length > 0 ? { ...secret, deletionWaitsFor: finalizers } : undefined);
      return secret === undefined;
    },
    current: () => structuredClone(secret),
    writes: () => writes,
    put,
    setFinalizers(next) {
      finalizers = next;
      if (secret?.deletionWaitsFor && next.length === 0) put(undefined);
    },
    beforeNextWrite: (action) => {
      interruption = action;
    },
  };
}
