import assert from 'node:assert/strict';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { createSecureServer } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { connect } from '../../src/kube.ts';
import { aCertificateSet } from '../support/a-certificate-set.ts';
import { aFolder } from '../support/a-folder.ts';

const never = new AbortController().signal;

/** An API server that speaks both, and prefers HTTP/2 as Go does. It answers everything with an empty object. */
async function startBoth(t: TestContext) {
  const { serving, ca } = await certificates;
  const versions: string[] = [];
  const server = createSecureServer({ cert: serving.certificate, key: serving.privateKey, allowHTTP1: true });
  server.on('request', (request, response) => {
    versions.push(request.httpVersion);
    response.setHeader('Content-Type', 'application/json');
    response.end('{}');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  return { url: `https://127.0.0.1:${(server.address() as AddressInfo).port}`, ca, versions };
}

const certificates = aCertificateSet({
  issuedAt: new Date(),
  options: { names: { dns: [], ip: ['127.0.0.1'] } },
}).then(({ serving, caBundle }) => ({ serving, ca: caBundle }));

async function clientsOf(t: TestContext, url: string, ca: string) {
  const cluster = { server: url, 'certificate-authority-data': Buffer.from(ca).toString('base64') };
  const kubeconfig = join(await aFolder(t), 'kubeconfig');
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'test',
    contexts: [{ name: 'test', context: { cluster: 'test', user: 'test' } }],
    clusters: [{ name: 'test', cluster }],
    users: [{ name: 'test', user: { token: 'token' } }],
  };
  await writeFile(kubeconfig, JSON.stringify(config));
  return connect(kubeconfig, never);
}

describe('the API server is called over HTTP/1.1, also where it would rather speak HTTP/2', () => {
  test('by the calls', async (t) => {
    const { url, ca, versions } = await startBoth(t);
    const { callJson } = await clientsOf(t, url, ca);
    await callJson('PATCH', '/api/v1/namespaces/vela-system', { body: { metadata: {} } });
    assert.deepEqual(versions, ['1.1']);
  });

  test('by watches', async (t) => {
    const { url, ca, versions } = await startBoth(t);
    const { followJson } = await clientsOf(t, url, ca);
    await followJson('/apis/batch/v1/jobs', {}, () => {}, AbortSignal.timeout(5_000));
    assert.deepEqual(versions, ['1.1']);
  });
});
