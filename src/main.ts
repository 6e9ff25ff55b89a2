#!/usr/bin/env node
import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { type Commands, parseCommandLine } from './cli/command-line.ts';
import type { RawOptions } from './cli/config.ts';
import { readConfig } from './cli/config.ts';
import { optionLabel } from './cli/options.ts';
import { inspect } from './commands/inspect/inspect.ts';
import { rotate } from './commands/rotate/rotate.ts';
import { errorFields, messageOf, OperatorError } from './lib/errors.ts';
import { createLog, type Log } from './lib/log.ts';
import { version } from './lib/version.ts';
import { writeYaml } from './lib/yaml.ts';
import { runOperator } from './operator/operator.ts';
import { admissionPolicy } from './policy/admission-policy.ts';
import { createPolicies, type PolicyRead, readPolicyFile } from './policy/file.ts';
import { terraformPolicy } from './policy/policy.ts';
import { createJobStore } from './stores/job-store.ts';
import {
  connect,
  createEventStore,
  createRegistrationStore,
  createRegistrationWatch,
  createSecretStore,
  createSecretWatch,
  kubeconfigProblems,
  podNamespace,
} from './stores/kube.ts';
import { backstopLease, createLeaseStore } from './stores/lease-store.ts';
import { readNamespaceLabels } from './stores/namespace-store.ts';
import { createOwner } from './stores/owner.ts';
import { createMetrics } from './telemetry/metrics.ts';
import { createClientCa, readClientCaFile } from './webhook/client-ca.ts';

/** What the process ends with: 2 means that it was called wrongly, as with most commands. */
const FAILED = 1;
const MISUSED = 2;

const signalNumbers = { SIGINT: 2, SIGTERM: 15 } as const;

async function run(raw: RawOptions): Promise<void> {
  const policy = readPolicyFile(raw['policy-file'] || undefined);
  const caFile = raw['client-ca-file'] || undefined;
  const clientCa = caFile === undefined ? undefined : readClientCaFile(caFile);
  const problems = [
    ...policyProblems(raw, policy),
    ...(clientCa && 'problem' in clientCa
      ? [`${optionLabel('client-ca-file')}: ${JSON.stringify(caFile)}: ${clientCa.problem}`]
      : []),
    ...kubeconfigProblems(raw.kubeconfig || undefined),
  ];
  const config = readConfig(raw, podNamespace(), problems);
  const log = createLog(config.log);
  const stop = stopSignal(log);
  const clients = connect(config.kubeconfig, stop);
  // The host's name is the Pod's; the rest tells two starts of one Pod apart.
  const replica = `${hostname()}/${randomUUID().slice(0, 8)}`;
  // The Lease is released, and namespaces are read for Jobs that still arrive, after the signal.
  const { callJson } = connect(config.kubeconfig, never);
  const owner = createOwner(callJson, config.ownerClusterRole, log);
  const { namespace } = config;
  const lease = createLeaseStore({ callJson, owner }, { namespace, name: backstopLease(config.registration.name) });
  log.info('starting', { version, node: process.version, server: clients.server, namespace: config.namespace });
  try {
    await runOperator(
      config,
      {
        secrets: createSecretStore(
          { callJson: clients.callJson, owner },
          { namespace, name: config.secretName, replica },
        ),
        registrations: createRegistrationStore({ callJson: clients.callJson, owner }, config.registration.name),
        backstop: { jobs: createJobStore(clients), lease, replica },
        events: createEventStore(clients, config.namespace, config.secretName),
        policies: createPolicies(config.policyFile, 'policy' in policy ? policy.policy : terraformPolicy),
        clientCa: createClientCa(caFile, clientCa && 'bundle' in clientCa ? clientCa.bundle : undefined),
        // Also asked for while the endpoint drains.
        namespaceLabels: readNamespaceLabels({ callJson }),
        watchSecret: createSecretWatch(clients, config.namespace, config.secretName, log),
        watchRegistration: createRegistrationWatch(clients, config.registration.name, log),
        log,
        metrics: createMetrics(version),
        now: () => new Date(),
        uptimeMs: () => performance.now(),
      },
      stop,
    );
    log.info('stopped');
  } catch (error) {
    log.error('cannot go on', errorFields(error));
    process.exitCode = FAILED;
  }
}

/**
 * Aborted by the first SIGTERM or SIGINT, the second one ends the process at once; and when nobody reads the log any
 * more, as that would end most programs.
 */
function stopSignal(log: Log): AbortSignal {
  const controller = new AbortController();
  for (const [name, number] of Object.entries(signalNumbers)) {
    process.on(name, () => {
      if (controller.signal.aborted) process.exit(128 + number);
      log.info('asked to stop', { signal: name });
      controller.abort();
    });
  }
  process.stdout.once('error', () => controller.abort());
  return controller.signal;
}

/** For calls that nobody ends. */
const never = new AbortController().signal;

const inspectOnce: Commands['inspect'] = (raw, own) =>
  answer(() => {
    const config = readConfig(raw, podNamespace(), kubeconfigProblems(raw.kubeconfig || undefined));
    const clients = connect(config.kubeconfig, never);
    return inspect(own, config, {
      secrets: createSecretStore(clients, {
        namespace: config.namespace,
        name: config.secretName,
        replica: hostname(),
      }),
      registrations: createRegistrationStore(clients, config.registration.name),
      isInPod: podNamespace() !== undefined,
      write: (text) => process.stdout.write(text),
      now: () => new Date(),
    });
  });

const printPolicy: Commands['policy'] = (raw, { apiVersion }) =>
  answer(async () => {
    const policy = readPolicyFile(raw['policy-file'] || undefined);
    readConfig(raw, undefined, policyProblems(raw, policy));
    if ('policy' in policy) process.stdout.write(writeYaml(admissionPolicy(policy.policy, apiVersion)));
    return 0;
  });

/** A line for each problem of the policy file, as the other options' are told. */
function policyProblems(raw: RawOptions, policy: PolicyRead): string[] {
  const file = `${optionLabel('policy-file')}: ${JSON.stringify(raw['policy-file'])}`;
  return 'problems' in policy ? policy.problems.map((problem) => `${file}: ${problem}`) : [];
}

const rotateOnce: Commands['rotate'] = (raw, own) =>
  answer(() => {
    const config = readConfig(raw, podNamespace(), kubeconfigProblems(raw.kubeconfig || undefined));
    const stop = interruption();
    // The signal ends the waiting alone: a call that is under way is soon over.
    const clients = connect(config.kubeconfig, never);
    return rotate(own, config, {
      secrets: createSecretStore(clients, {
        namespace: config.namespace,
        name: config.secretName,
        replica: hostname(),
      }),
      say: (line) => process.stdout.write(`${line}\n`),
      now: () => new Date(),
      stop,
    });
  });

/** Ends with what the command answers; what it fails with is told in a line, as there is no log. */
async function answer(command: () => Promise<number>): Promise<void> {
  try {
    process.exitCode = await command();
  } catch (error) {
    if (!(error instanceof OperatorError) || error.code === 'CONFIG_INVALID') throw error;
    process.stderr.write(`terraform-daemon: ${error.code}: ${error.message}\n`);
    process.exitCode = FAILED;
  }
}

/** Aborted by Ctrl-C; the second one ends the process at once. */
function interruption(): AbortSignal {
  const controller = new AbortController();
  for (const name of Object.keys(signalNumbers)) process.once(name, () => controller.abort());
  return controller.signal;
}

// Whoever reads `--help | head` goes away in the middle. Without this that would end in a stack trace.
for (const output of [process.stdout, process.stderr]) {
  output.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
  });
}

/**
 * What is still open then is not waited for: a connection that is just being made cannot be called off, and Node.js may
 * wait for ever for a socket in an odd state when a process ends by itself. Long enough for the last lines to be written.
 */
const LINGER_MS = 50;

try {
  await parseCommandLine(process.argv, {
    run,
    inspect: inspectOnce,
    policy: printPolicy,
    rotate: rotateOnce,
  });
} catch (error) {
  if (!(error instanceof OperatorError) || error.code !== 'CONFIG_INVALID') throw error;
  process.stderr.write(
    `terraform-daemon: CONFIG_INVALID: these options cannot be used\n${messageOf(error)}\n(--help lists all options)\n`,
  );
  process.exitCode = MISUSED;
}
setTimeout(() => process.exit(), LINGER_MS);
