import { type WatchCalls, type WatchObject, watchObject } from '../kube/watch.ts';

export const createSecretWatch = (calls: WatchCalls, namespace: string, name: string): WatchObject =>
  watchObject(calls, `/api/v1/namespaces/${namespace}/secrets`, name);

export const createRegistrationWatch = (calls: WatchCalls, name: string): WatchObject =>
  watchObject(calls, '/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations', name);
