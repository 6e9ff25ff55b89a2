import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import type { Subcommand } from '../cli/command-line.ts';
import { type Config, readConfig } from '../cli/config.ts';
import { exitCodes } from '../cli/exit-codes.ts';
import { readClientCaOption, readKubeconfigOption, readPolicyOption } from '../cli/option-files.ts';
import { optionNames } from '../cli/options.ts';
import { type Clients, connect } from '../kube/client.ts';
import { podNamespace } from '../kube/kubeconfig.ts';
import { watchObject } from '../kube/watch.ts';
import { errorFields } from '../lib/errors.ts';
import { createLog, type Log } from '../lib/log.ts';
import { version } from '../lib/version.ts';
import { createWatchedFile } from '../lib/watched-file.ts';
import { readPolicyFile } from '../policy/file.ts';
import { createConfigurationStore } from '../stores/configuration-store.ts';
import { createEventPublisher } from '../stores/event-store.ts';
import { createJobStore } from '../stores/job-store.ts';
import { backstopLease, createLeaseStore } from '../stores/lease-store.ts';
import { readNamespaceLabels } from '../stores/namespace-store.ts';
import { createOwner } from '../stores/owner.ts';
import { createRegistrationStore, REGISTRATIONS } from '../stores/registration-store.ts';
import { createSecretStore, secretsIn } from '../stores/secret-store.ts';
import { createMetrics } from '../telemetry/metrics.ts';
import { readClientCaFile } from '../webhook/client-certificates.ts';
import { leaseTimings } from './lease.ts';
import { type Dependencies, runOperator } from './operator.ts';

export const runCommand = {
  description: 'issue certificates, register the webhook and serve it (the default in a Pod)',
  shared: optionNames,
  own: [],
  help: `
Outside of a Pod it starts another daemon, with the rights of your kubeconfig. With the names of an
installed daemon, it registers its own webhook in place of the installed one.`,
  async run(raw) {
    const policy = readPolicyOption(raw);
    const clientCa = readClientCaOption(raw);
    const kubeconfig = readKubeconfigOption(raw);
    const problems = [...policy.problems, ...clientCa.problems, ...kubeconfig.problems];
    const config = readConfig(raw, podNamespace(), problems);
    const log = createLog(config.log);
    const stop = stopSignal(log);
    const { server, ...stores } = openStores(config, connect(kubeconfig.content, stop), log);
    log.info('starting', { version, node: process.version, server, namespace: config.namespace });
    const dependencies: Dependencies = {
      ...stores,
      policies: createWatchedFile(config.policyFile, readPolicyFile, policy.content),
      clientCa: createWatchedFile(config.clientCaFile, readClientCaFile, clientCa.content),
      log,
      metrics: createMetrics(version),
      now: () => new Date(),
      uptimeMs: () => performance.now(),
    };
    try {
      await runOperator(config, dependencies, stop);
      log.info('stopped');
      return exitCodes.done;
    } catch (error) {
      log.error('exiting on fatal error', errorFields(error));
      return exitCodes.failed;
    }
  },
} as const satisfies Subcommand;

function openStores(
  { namespace, secretName, ownerClusterRole, metadata, registration, backstopNamespaces }: Config,
  clients: Clients,
  log: Log,
) {
  // The host name is the Pod name. The random suffix distinguishes two starts of the same Pod.
  const replica = `${hostname()}/${randomUUID().slice(0, 8)}`;
  const uptimeMs = () => performance.now();
  const writeOwned = createOwner(clients.callJson, { clusterRole: ownerClusterRole, log, uptimeMs });
  const { server, followJson } = clients;
  const calls = { callJson: clients.callJson, writeOwned };
  return {
    server,
    secrets: createSecretStore(calls, { namespace, name: secretName, replica, metadata }),
    registrations: createRegistrationStore(calls, registration.name),
    jobs: createJobStore(clients, backstopNamespaces),
    configurations: createConfigurationStore(clients.callJson),
    lease: createLeaseStore(
      // The Lease is released after the stop signal.
      { callJson: clients.callJsonToTheEnd, writeOwned },
      { namespace, name: backstopLease(registration.name), validMs: leaseTimings.validMs, metadata },
    ),
    replica,
    publishEvent: createEventPublisher(clients.callJson, { namespace, name: secretName }),
    namespaceLabels: readNamespaceLabels(clients.callJson),
    watchSecret: watchObject({ followJson, log }, secretsIn(namespace), secretName),
    watchRegistration: watchObject({ followJson, log }, REGISTRATIONS, registration.name),
  } as const;
}

/**
 * Returns a signal that is aborted by the first SIGTERM or SIGINT, or by an error on stdout such as a closed pipe. A
 * SIGTERM or SIGINT after that ends the process at once.
 */
function stopSignal(log: Log): AbortSignal {
  const controller = new AbortController();
  for (const [name, exitCode] of [
    ['SIGINT', exitCodes.interrupted],
    ['SIGTERM', exitCodes.terminated],
  ] as const) {
    process.on(name, () => {
      if (controller.signal.aborted) process.exit(exitCode);
      log.info('stop signal received', { signal: name });
      controller.abort();
    });
  }
  process.stdout.once('error', () => controller.abort());
  return controller.signal;
}
