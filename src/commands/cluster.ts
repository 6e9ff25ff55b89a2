import { hostname } from 'node:os';
import { type RawOptions, readConfig } from '../cli/config.ts';
import { readKubeconfigOption } from '../cli/option-files.ts';
import { connect } from '../kube/client.ts';
import { podNamespace } from '../kube/kubeconfig.ts';
import { readReconcileFailure } from '../stores/event-store.ts';
import { readNamespacePhase } from '../stores/namespace-store.ts';
import { createRegistrationStore } from '../stores/registration-store.ts';
import { createSecretStore } from '../stores/secret-store.ts';

/** A signal that is never aborted. Each call to the API server ends by its own timeout. */
const never = new AbortController().signal;

/**
 * Returns the calls of the API server for a command that reads nothing of the install, and the namespace that kubectl
 * would use. `server` and `kubeconfig` name the cluster.
 *
 * @throws OperatorError `CONFIG_INVALID`
 */
export function openApiServer(raw: RawOptions) {
  const { content, problems } = readKubeconfigOption(raw);
  readConfig(raw, undefined, problems);
  const { callJson, server } = connect(content, never);
  return { callJson, server, kubeconfig: raw.kubeconfig || undefined, namespace: content?.namespace ?? '' };
}

/**
 * Checks the options. Returns the configuration, the calls of the API server, and the stores of the Secret and of the
 * MutatingWebhookConfiguration.
 *
 * @param fileProblems problems of files that options name, reported in the same error.
 * @throws OperatorError `CONFIG_INVALID`
 */
export function openCluster(raw: RawOptions, fileProblems: readonly string[] = []) {
  const namespace = podNamespace();
  const kubeconfig = readKubeconfigOption(raw);
  const config = readConfig(raw, namespace, [...fileProblems, ...kubeconfig.problems]);
  const clients = connect(kubeconfig.content, never);
  const secret = { namespace: config.namespace, name: config.secretName, replica: hostname() };
  return {
    config,
    callJson: clients.callJson,
    secrets: createSecretStore(clients, secret),
    registrations: createRegistrationStore(clients, config.registration.name),
    /** Observations that help to explain a problem. Each one is `undefined` if this user cannot read it. */
    readFailure: () => readReconcileFailure(clients.callJson, secret),
    readNamespacePhase: () => readNamespacePhase(clients.callJson, config.namespace),
    isInPod: namespace !== undefined,
  } as const;
}
