import assert from 'node:assert/strict';
import { admissionPolicy } from '../src/policy/admission-policy.ts';
import { matchConditions } from '../src/policy/cel.ts';
import { terraformPolicy } from '../src/policy/policy.ts';
import { NAMESPACE, REGISTRATION, SERVICE } from '../test/support/cluster/cluster.ts';
import type { RawApi } from '../test/support/cluster/raw-api.ts';
import { type Way, ways } from './results.ts';
import { ENDPOINT } from './servers.ts';

/** Each way that a Job can be capped has a namespace of its own, so that Jobs are created for all of them in turn. */
const LABEL = 'bench';

export const jobsOf = (way: Way): { readonly namespace: string; readonly path: string } => ({
  namespace: `bench-${way}`,
  path: `/apis/batch/v1/namespaces/bench-${way}/jobs`,
});

const selectorOf = (way: Way): object => ({ matchLabels: { [LABEL]: way } });

const ADMISSION = '/apis/admissionregistration.k8s.io/v1';
const GO_PEER = 'go-peer.bench.example.com';

/** Ties the daemon's registration to its namespace, and makes one for the Go peer and a policy for theirs. */
export async function installWays(
  api: RawApi,
  go: { readonly port: number; readonly caBundle: string },
): Promise<void> {
  for (const way of ways) {
    const metadata = { name: jobsOf(way).namespace, labels: { [LABEL]: way } };
    await write(api, ['POST', '/api/v1/namespaces'], { apiVersion: 'v1', kind: 'Namespace', metadata });
  }
  const { body: live } = await api.call('GET', `${ADMISSION}/mutatingwebhookconfigurations/${REGISTRATION}`);
  const [entry] = live.webhooks;
  const own = [{ ...entry, namespaceSelector: selectorOf('ours') }];
  await write(api, ['PATCH', `${ADMISSION}/mutatingwebhookconfigurations/${REGISTRATION}`], { webhooks: own });
  const service = { namespace: NAMESPACE, name: SERVICE, port: go.port, path: ENDPOINT };
  await write(api, ['POST', `${ADMISSION}/mutatingwebhookconfigurations`], {
    metadata: { name: GO_PEER },
    // The same entry in all else, so that the API server has the same to do.
    webhooks: [
      {
        ...entry,
        name: GO_PEER,
        clientConfig: { service, caBundle: Buffer.from(go.caBundle).toString('base64') },
        matchConditions: matchConditions(terraformPolicy),
        namespaceSelector: selectorOf('go'),
      },
    ],
  });
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

/** Takes away what `installWays` has made, and the Jobs; the daemon's own is for the daemon. */
export async function removeWays(api: RawApi): Promise<void> {
  for (const { metadata } of admissionPolicy(terraformPolicy, 'v1') as readonly Manifest[]) {
    await api.call('DELETE', `${ADMISSION}/mutatingadmissionpolicies/${metadata.name}`);
    await api.call('DELETE', `${ADMISSION}/mutatingadmissionpolicybindings/${metadata.name}`);
  }
  await api.call('DELETE', `${ADMISSION}/mutatingwebhookconfigurations/${GO_PEER}`);
  // There is no garbage collector that would remove anything in the foreground.
  for (const way of ways) await api.call('DELETE', `${jobsOf(way).path}?propagationPolicy=Background`);
}

async function write(api: RawApi, [method, path]: readonly [string, string], body: object): Promise<void> {
  const reply = await api.call(method, path, body);
  assert.ok(reply.status < 300, `${method} ${path}: ${JSON.stringify(reply.body)}`);
}
