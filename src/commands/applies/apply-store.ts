import type { JobReference } from '../../backstop/decide.ts';
import { isExpired, kubeError, orUnserved, wasWritten } from '../../kube/errors.ts';
import { FIELD_MANAGER } from '../../kube/managed-fields.ts';
import type { CallJson } from '../../kube/requests.ts';
import { isForbidden } from '../../lib/errors.ts';
import { asObject } from '../../lib/json.ts';
import { readPage } from '../../stores/job-store.ts';
import { readNamespacePhase } from '../../stores/namespace-store.ts';
import { RETRIED_AT } from '../../terraform/configuration.ts';
import type { Target } from './target.ts';

/** Tries to read a whole list. Its continue token expires after five minutes. */
const LISTS = 3;

type OnObject = (object: unknown) => void;

/** Reads what `applies` shows, and makes the two writes of a retry. Objects are plain JSON. */
export type ApplyStore = ReturnType<typeof createApplyStore>;

/** Each function rejects with an OperatorError with a `KUBE_…` code. */
export function createApplyStore(callJson: CallJson) {
  const list = async (path: string, onObject: OnObject) => {
    let next: string | undefined;
    do {
      const { metadata, items } = await readPage(callJson, { path, next });
      for (const object of items ?? []) onObject(object);
      next = metadata.continue || undefined;
    } while (next);
  };
  return {
    /** Calls `onJob` for each Job of a namespace, or of all namespaces; more than once if a list has expired. */
    async jobs(namespace: string | undefined, onJob: OnObject): Promise<void> {
      const what = `read the Jobs of ${namespace === undefined ? 'all namespaces' : `namespace ${namespace}`}`;
      for (let tries = 1; ; tries += 1) {
        try {
          return await list(pathOf('batch/v1', namespace, 'jobs'), onJob);
        } catch (error) {
          if (!isExpired(error) || tries === LISTS) throw kubeError(what, error, listStep(namespace));
        }
      }
    },
    /** Returns whether a namespace does not exist. A user who may not read it gets `false`. */
    async isNamespaceAbsent(namespace: string): Promise<boolean> {
      return (await readNamespacePhase(callJson, namespace)) === 'absent';
    },
    /** Returns the Jobs of a name: at most one in each namespace. */
    async jobsNamed(name: string, namespace: string | undefined): Promise<readonly unknown[]> {
      const query = { fieldSelector: `metadata.name=${name}` };
      const call = callJson('GET', pathOf('batch/v1', namespace, 'jobs'), { query });
      return itemsOf(await withStep(call, `read Jobs ${name}`, JOB_STEP));
    },
    /** Returns the Pods of a Job. */
    async pods({ namespace, uid }: Pick<JobReference, 'namespace' | 'uid'>): Promise<readonly unknown[]> {
      const query = { labelSelector: `batch.kubernetes.io/controller-uid=${uid}` };
      const call = callJson('GET', `/api/v1/namespaces/${namespace}/pods`, { query });
      return itemsOf(await withStep(call, `list Pods in namespace ${namespace}`, ''));
    },
    /** Returns the Configurations of a namespace, or of all namespaces; none if the cluster does not know this kind. */
    async configurations(namespace: string | undefined): Promise<readonly unknown[]> {
      const found: unknown[] = [];
      try {
        await list(pathOf(CONFIGURATIONS, namespace, 'configurations'), (object) => found.push(object));
      } catch (error) {
        if ((error as { readonly code?: unknown }).code === 404) return [];
        throw kubeError('list Configurations', error, '');
      }
      return found;
    },
    /** Returns the Configuration, or `undefined` if it does not exist or the cluster does not know this kind. */
    configuration({ namespace, name }: Target): Promise<unknown> {
      const call = callJson('GET', `${pathOf(CONFIGURATIONS, namespace, 'configurations')}/${name}`);
      const step = ` (to check the right: kubectl auth can-i get configurations.terraform.core.oam.dev/${name} -n ${namespace})`;
      return orUnserved(call, `read Configuration ${namespace}/${name}`, step);
    },
    /** Deletes this version of a Job, and its Pods. Resolves with `false` if the Job has changed or was deleted. */
    deleteJob({ namespace, name, uid, resourceVersion }: JobReference): Promise<boolean> {
      const preconditions = { uid, resourceVersion };
      const body = { apiVersion: 'v1', kind: 'DeleteOptions', preconditions, propagationPolicy: 'Background' };
      const call = callJson('DELETE', `${pathOf('batch/v1', namespace, 'jobs')}/${name}`, { body });
      return wasWritten(call, `delete Job ${namespace}/${name}`);
    },
    /** Annotates the Configuration. Resolves with `false` if the Configuration was deleted or created again. */
    touch({ namespace, name, uid }: Target & { readonly uid: string }, at: Date): Promise<boolean> {
      const path = `${pathOf(CONFIGURATIONS, namespace, 'configurations')}/${name}`;
      const body = { metadata: { uid, annotations: { [RETRIED_AT]: at.toISOString() } } };
      const call = callJson('PATCH', path, { patch: 'merge', query: { fieldManager: FIELD_MANAGER }, body });
      return wasWritten(call, `annotate Configuration ${namespace}/${name}`);
    },
  };
}

const CONFIGURATIONS = 'terraform.core.oam.dev/v1beta2';
const listStep = (namespace: string | undefined): string =>
  namespace === undefined
    ? ' (to list one namespace: -n <namespace>)'
    : ` (to check the right of the current user: kubectl auth can-i list jobs -n ${namespace})`;
const JOB_STEP =
  ' (the current user needs the right to list these Jobs: -n selects the namespace of the Job, which is the one of --controller-namespace if terraform-controller has this option)';

const pathOf = (version: string, namespace: string | undefined, plural: string): string =>
  `/apis/${version}/${namespace === undefined ? '' : `namespaces/${encodeURIComponent(namespace)}/`}${plural}`;

const itemsOf = (list: unknown): readonly unknown[] => {
  const { items } = asObject(list);
  return Array.isArray(items) ? items : [];
};

const withStep = (call: Promise<unknown>, what: string, step: string): Promise<unknown> =>
  call.catch((error) => {
    throw kubeError(what, error, step);
  });

/** Resolves with `undefined` if the user has no right to the read. */
export const orRefused = <T>(read: Promise<T>): Promise<T | undefined> =>
  read.catch((error) => {
    if (isForbidden(error)) return undefined;
    throw error;
  });
