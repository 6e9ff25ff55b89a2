import type { Watch } from '@kubernetes/client-node';
import { watchObject } from '../kube/watch.ts';
import type { Log } from '../lib/log.ts';

/** Calls `onChange` whenever the object may have changed, until the signal is aborted. */
export type WatchObject = (onChange: () => void, signal: AbortSignal) => Promise<void>;

interface WatchCalls {
  readonly watch: Pick<Watch, 'watch'>;
  readonly log: Log;
}

export const createSecretWatch =
  ({ watch, log }: WatchCalls, namespace: string, name: string): WatchObject =>
  (onChange, signal) =>
    watchObject(watch, { path: `/api/v1/namespaces/${namespace}/secrets`, name, onChange }, { log, signal });

export const createRegistrationWatch =
  ({ watch, log }: WatchCalls, name: string): WatchObject =>
  (onChange, signal) => {
    const path = '/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations';
    return watchObject(watch, { path, name, onChange }, { log, signal });
  };
