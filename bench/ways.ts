import assert from 'node:assert/strict';
import { admissionPolicy } from '../src/policy/admission-policy.ts';
import { matchConditions } from '../src/policy/cel.ts';
import { terraformPolicy } from '../src/policy/policy.ts';
import { NAMESPACE, REGISTRATION, SERVICE } from '../test/support/cluster/cluster.ts';
import type { RawApi } from '../test/support/cluster/raw-api.ts';
import { type Way, ways } from './results.ts';
import type { ServerName } from './server-names.ts';
import { ENDPOINT, type Server } from './servers.ts';

/** Namespace label. Each way to cap a Job has its own namespace, so that all ways are in force at once. */
const LABEL = 'bench';

export const jobsOf = (way: Way): { readonly namespace: string; readonly path: string } => ({
  namespace: `bench-${way.toLowerCase()}`,
  path: `/apis/batch/v1/namespaces/bench-${way.toLowerCase()}/jobs`,
});

const selectorOf = (way: Way): object => ({ matchLabels: { [LABEL]: way } });

const ADMISSION = '/apis/admissionregistration.k8s.io/v1';
/** Returns the name of a peer as a webhook of the API server. */
const peerName = (name: ServerName): string => `${name.toLowerCase()}.bench.example.com`;

/**
 * Limits the webhook of the daemon to one namespace. Creates a webhook for each Go peer and a MutatingAdmissionPolicy,
 * each for its own namespace.
 */
export async function installWays(api: RawApi, peers: readonly Server[], caBundle: string): Promise<void> {
  for (const way of ways) {
    const metadata = { name: jobsOf(way).namespace, labels: { [LABEL]: way } };
    await write(api, ['POST', '/api/v1/namespaces'], { apiVersion: 'v1', kind: 'Namespace', metadata });
  }
  const { body: live } = await api.call('GET', `${ADMISSION}/mutatingwebhookconfigurations/${REGISTRATION}`);
  const [entry] = live.webhooks;
  const own = [{ ...entry, namespaceSelector: selectorOf('ours') }];
  await write(api, ['PATCH', `${ADMISSION}/mutatingwebhookconfigurations/${REGISTRATION}`], { webhooks: own });
  for (const { name: way, port } of peers) {
    const name = peerName(way);
    const service = { namespace: NAMESPACE, name: SERVICE, port, path: ENDPOINT };
    await write(api, ['POST', `${ADMISSION}/mutatingwebhookconfigurations`], {
      metadata: { name },
      // All other fields equal the webhook entry of the daemon, so that the API server does the same work for all
      // webhooks.
      webhooks: [
        {
          ...entry,
          name,
          clientConfig: { service, caBundle: Buffer.from(caBundle).toString('base64') },
          matchConditions: matchConditions(terraformPolicy),
          namespaceSelector: selectorOf(way as Way),
        },
      ],
    });
  }
  const [policy, binding] = admissionPolicy(terraformPolicy, 'v1') as readonly Manifest[];
  assert.ok(policy !== undefined && binding !== undefined);
  await write(api, ['POST', `${ADMISSION}/mutatingadmissionpolicies`], policy);
  await write(api, ['POST', `${ADMISSION}/mutatingadmissionpolicybindings`], {
    ...binding,
    spec: { ...binding.spec, matchResources: { namespaceSelector: selectorOf('policy') } },
  });
}

interface Manifest {
  readonly metadata: { readonly name: string };
  readonly spec: object;
}

/** Deletes the MutatingAdmissionPolicy, the webhooks of the peers and all Jobs. The webhook of the daemon stays. */
export async function removeWays(api: RawApi, peers: readonly Server[]): Promise<void> {
  for (const { metadata } of admissionPolicy(terraformPolicy, 'v1') as readonly Manifest[]) {
    await api.call('DELETE', `${ADMISSION}/mutatingadmissionpolicies/${metadata.name}`);
    await api.call('DELETE', `${ADMISSION}/mutatingadmissionpolicybindings/${metadata.name}`);
  }
  for (const { name } of peers) {
    await api.call('DELETE', `${ADMISSION}/mutatingwebhookconfigurations/${peerName(name)}`);
  }
  // This control plane has no garbage collector, so a deletion in the foreground would never finish.
  for (const way of ways) await api.call('DELETE', `${jobsOf(way).path}?propagationPolicy=Background`);
}

async function write(api: RawApi, [method, path]: readonly [string, string], body: object): Promise<void> {
  const reply = await api.call(method, path, body);
  assert.ok(reply.status < 300, `${method} ${path}: ${JSON.stringify(reply.body)}`);
}
