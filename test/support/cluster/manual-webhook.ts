import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:https';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import type { KubernetesObject } from '@kubernetes/client-node';
import { NAMESPACE, OWN, REGISTRATION, SECRET, SERVER_NAME, SERVICE } from './cluster.ts';
import { openssl } from './openssl.ts';
import type { StandIn } from './stand-in-node.ts';

/** The image of the manual webhook. It distinguishes its Deployment from the Deployment of the daemon. */
export const MANUAL_IMAGE = 'manual-webhook:1';

/**
 * Issues a CA and a serving certificate for the Service with openssl, as tutorials do it with cfssl: without name
 * constraints. Writes `ca.pem`, `cert.pem` and `key.pem` to the folder.
 */
export async function issueByHand(folder: string): Promise<void> {
  const file = (name: string) => join(folder, name);
  const made = await openssl([
    ...['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '3650', '-subj', '/CN=Kubernetes/O=Kubernetes'],
    ...['-addext', 'basicConstraints=critical,CA:TRUE', '-keyout', file('ca-key.pem'), '-out', file('ca.pem')],
  ]);
  const issued = await openssl([
    ...['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '365', '-subj', '/CN=admission'],
    ...['-addext', `subjectAltName=DNS:${SERVER_NAME},DNS:${SERVICE}`, '-addext', 'basicConstraints=CA:FALSE'],
    ...['-CA', file('ca.pem'), '-CAkey', file('ca-key.pem')],
    ...['-keyout', file('key.pem'), '-out', file('cert.pem')],
  ]);
  for (const { isOk, output } of [made, issued]) if (!isOk) throw new Error(output);
}

/** A stand-in for the process of a manual webhook: it sets `backoffLimit: 0` and nothing else. */
export async function startManualWebhook(folder: string, port: number): Promise<StandIn> {
  const [cert, key] = await Promise.all(['cert.pem', 'key.pem'].map((name) => readFile(join(folder, name))));
  // A server in Go closes no idle connection. Node.js would after five seconds, and can reset a call that has just begun.
  const server = createServer({ cert, key, keepAliveTimeout: 0 }, async (request, response) => {
    const { request: asked } = JSON.parse(await text(request));
    const patch = [{ op: 'replace', path: '/spec/backoffLimit', value: 0 }];
    const isTerraform = asked.object.spec.template.spec.serviceAccountName === 'tf-executor-service-account';
    const patched = { patchType: 'JSONPatch', patch: Buffer.from(JSON.stringify(patch)).toString('base64') };
    const answer = { uid: asked.uid, allowed: true, ...(isTerraform ? patched : {}) };
    response.setHeader('Content-Type', 'application/json');
    response.end(JSON.stringify({ apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview', response: answer }));
  });
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  return {
    async stop() {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

/**
 * Returns the objects of a manual set-up with the default names of the daemon: another selector, another port, an Opaque
 * Secret, a ClusterRoleBinding to another role, and two objects with names of their own.
 */
export async function manualObjects(folder: string, port: number): Promise<readonly KubernetesObject[]> {
  const pem = async (name: string) => (await readFile(join(folder, name))).toString('base64');
  const metadata = (name: string) => ({ name, namespace: NAMESPACE });
  const [ca, cert, key] = await Promise.all(['ca.pem', 'cert.pem', 'key.pem'].map(pem));
  const labels = { app: 'manual-webhook' };
  const container = { name: 'webhook', image: MANUAL_IMAGE, ports: [{ containerPort: 8443 }] };
  const roleRef = { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'view' };
  const subjects = [{ kind: 'ServiceAccount', ...metadata('terraform-daemon') }];
  const objects = [
    { apiVersion: 'v1', kind: 'ServiceAccount', metadata: metadata('terraform-daemon') },
    { apiVersion: 'v1', kind: 'Secret', metadata: metadata(SECRET), data: { 'cert.pem': cert, 'key.pem': key } },
    {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: metadata('webhook-ca'),
      binaryData: {},
      data: { 'ca.pem': 'a CA' },
    },
    { apiVersion: 'v1', kind: 'ServiceAccount', metadata: metadata('old-webhook') },
    {
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'ClusterRoleBinding',
      metadata: { name: 'terraform-daemon' },
      roleRef,
      subjects,
    },
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: metadata(SERVICE),
      spec: { selector: labels, ports: [{ port: 443, targetPort: 8443 }] },
    },
    {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: metadata('terraform-daemon'),
      spec: {
        selector: { matchLabels: labels },
        template: { metadata: { labels }, spec: { containers: [container] } },
      },
    },
    {
      apiVersion: 'admissionregistration.k8s.io/v1',
      kind: 'MutatingWebhookConfiguration',
      metadata: { name: REGISTRATION },
      webhooks: [
        {
          name: OWN,
          admissionReviewVersions: ['v1'],
          clientConfig: { caBundle: ca, service: { ...metadata(SERVICE), path: '/modify-terraform-job', port } },
          rules: [{ apiGroups: ['batch'], apiVersions: ['v1'], operations: ['CREATE', 'UPDATE'], resources: ['jobs'] }],
          failurePolicy: 'Ignore',
          sideEffects: 'None',
        },
      ],
    },
  ];
  return objects as readonly KubernetesObject[];
}
