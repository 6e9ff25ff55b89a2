import { type FollowWatch, watchObject } from '../kube/watch.ts';
import type { Log } from '../lib/log.ts';

/** Calls `onChange` whenever the object may have changed, until the signal is aborted. */
export type WatchObject = (onChange: () => void, signal: AbortSignal) => Promise<void>;

interface WatchCalls {
  readonly followJson: FollowWatch;
  readonly log: Log;
}

export const createSecretWatch =
  ({ followJson, log }: WatchCalls, namespace: string, name: string): WatchObject =>
  (onChange, signal) =>
    watchObject(followJson, { path: `/api/v1/namespaces/${namespace}/secrets`, name, onChange }, { log, signal });

export const createRegistrationWatch =
  ({ followJson, log }: WatchCalls, name: string): WatchObject =>
  (onChange, signal) => {
    const path = '/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations';
    return watchObject(followJson, { path, name, onChange }, { log, signal });
  };
