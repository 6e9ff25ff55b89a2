import assert from 'node:assert/strict';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { createSecureServer } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { setImmediate as turnOfTheLoop } from 'node:timers/promises';
import { connect } from '../../src/kube/client.ts';
import { createJobStore } from '../../src/stores/job-store.ts';
import { aCertificateSet } from '../support/builders/a-certificate-set.ts';
import { aFolder } from '../support/builders/a-folder.ts';
import { aKubeconfig, readValidKubeconfig } from '../support/builders/a-kubeconfig.ts';

const never = new AbortController().signal;

interface Response {
  destroy(): unknown;
  write(text: string): unknown;
  end(text: string): unknown;
}

const emptyObject = (_url: string, response: Response): void => void response.end('{}');

/** Starts a fake API server that supports HTTP/1.1 and HTTP/2. It prefers HTTP/2, as servers in Go do. */
async function startBoth(t: TestContext, answer = emptyObject) {
  const { serving, ca } = await certificates;
  const versions: string[] = [];
  let handshakes = 0;
  const server = createSecureServer({ cert: serving.certificate, key: serving.privateKey, allowHTTP1: true });
  server.on('secureConnection', () => (handshakes += 1));
  server.on('request', (request, response) => {
    versions.push(request.httpVersion);
    response.setHeader('Content-Type', 'application/json');
    answer(request.url, response);
  });
  // An API server sends no header that says when it closes an idle connection.
  Object.assign(server, { keepAliveTimeout: 0 });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  return {
    url: `https://127.0.0.1:${(server.address() as AddressInfo).port}`,
    ca,
    versions,
    handshakes: () => handshakes,
  };
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
  return connect(readValidKubeconfig(kubeconfig), never);
}

describe('the HTTP version of calls to the API server', {
  concurrency: true,
}, () => {
  test('the daemon calls the API server over HTTP/1.1, even if the server prefers HTTP/2', async (t) => {
    const { url, ca, versions } = await startBoth(t);
    const { callJson } = await clientsOf(t, url, ca);
    await callJson('PATCH', '/api/v1/namespaces/vela-system', { body: { metadata: {} } });
    assert.deepEqual(versions, ['1.1']);
  });

  test('the daemon watches the API server over HTTP/1.1, even if the server prefers HTTP/2', async (t) => {
    const { url, ca, versions } = await startBoth(t);
    const { followJson } = await clientsOf(t, url, ca);
    await followJson({ path: '/apis/batch/v1/jobs', query: {}, what: 'Jobs', onEvent() {} }, never);
    assert.deepEqual(versions, ['1.1']);
  });
});

describe('the connections to the API server', { timeout: 300_000 }, () => {
  const lease = '/apis/coordination.k8s.io/v1/namespaces/vela-system/leases/backstop';
  const job = { path: '/apis/batch/v1/jobs', query: {}, what: 'Jobs', onEvent() {} };

  test('two calls with a pause of 20 s, the longest between two checks of the Lease, share one connection', async (t) => {
    const { url, ca, handshakes } = await startBoth(t);
    const { callJson } = await clientsOf(t, url, ca);
    t.mock.timers.enable({ apis: ['setTimeout'] });
    await callJson('GET', lease);
    await turnOfTheLoop(); // undici uses a connection again in the next turn.
    t.mock.timers.tick(20_000);
    await callJson('PATCH', lease, { patch: 'merge', body: {} });
    assert.equal(handshakes(), 1);
  });

  test('a connection that was idle for 30 s is closed before an API server or a load balancer closes it', async (t) => {
    const { url, ca, handshakes } = await startBoth(t);
    const { callJson } = await clientsOf(t, url, ca);
    t.mock.timers.enable({ apis: ['setTimeout'] });
    await callJson('GET', lease);
    t.mock.timers.tick(30_000);
    await callJson('GET', lease);
    assert.equal(handshakes(), 2);
  });

  test('a watch uses the connection of an earlier call, and a call uses the connection of an ended watch', async (t) => {
    const { url, ca, versions, handshakes } = await startBoth(t);
    const { callJson, followJson } = await clientsOf(t, url, ca);
    await callJson('GET', lease);
    await turnOfTheLoop();
    assert.equal(await followJson(job, never), 'ended');
    await turnOfTheLoop();
    await callJson('GET', lease);
    assert.deepEqual([versions.length, handshakes()], [3, 1]);
  });

  /** Makes a first call, then a second one whose idle connection the API server closes when the request arrives. */
  async function closeAtSecondCall(t: TestContext, method: 'GET' | 'PATCH') {
    let requests = 0;
    const { url, ca } = await startBoth(t, (_url, response) => {
      requests += 1;
      if (requests === 2) response.destroy();
      else response.end('{}');
    });
    const { callJson } = await clientsOf(t, url, ca);
    await callJson('GET', lease);
    return { second: callJson(method, lease), requests: () => requests };
  }

  test('a GET is sent again if the API server closes its idle connection at that moment', async (t) => {
    const { second, requests } = await closeAtSecondCall(t, 'GET');
    assert.deepEqual([await second, requests()], [{}, 3]);
  });

  test('a PATCH is not sent again if the API server closes its idle connection at that moment, because it can have had an effect', async (t) => {
    const { second, requests } = await closeAtSecondCall(t, 'PATCH');
    await assert.rejects(second);
    assert.equal(requests(), 2);
  });

  test('the next call uses a CA file that has changed on disk', async (t) => {
    const { url, ca } = await startBoth(t);
    const other = await aCertificateSet({ issuedAt: new Date() });
    const folder = await aFolder(t, { 'ca.crt': other.caBundle });
    const file = join(folder, 'ca.crt');
    const kubeconfig = await aKubeconfig(t, { server: url, 'certificate-authority': file });
    const { callJson } = connect(readValidKubeconfig(kubeconfig), never);
    await assert.rejects(callJson('GET', lease));
    await writeFile(file, ca);
    assert.deepEqual(await callJson('GET', lease), {});
  });
});

describe('reading a page of Jobs from the API server', { concurrency: true, timeout: 300_000 }, () => {
  const job = '{"metadata":{"name":"a"}}';
  const page = (jobs: string) => `{"metadata":{"resourceVersion":"7"},"items":[${jobs}]}`;
  const begun = page(job).slice(0, -2);

  async function aStore(t: TestContext, answer: (limits: readonly (string | null)[], response: Response) => void) {
    const limits: (string | null)[] = [];
    const { url, ca } = await startBoth(t, (path, response) => {
      limits.push(new URL(path, 'https://api').searchParams.get('limit'));
      answer(limits, response);
    });
    const seen: unknown[] = [];
    const [list] = createJobStore(await clientsOf(t, url, ca)).lists;
    assert.ok(list);
    return { limits, seen, read: () => list.page(undefined, (job) => seen.push(job)) };
  }

  const hanging: Readonly<Record<string, (response: Response) => void>> = {
    'before its first byte': () => {},
    'in its middle': (response) => void response.write(begun),
  };
  for (const [where, hang] of Object.entries(hanging)) {
    test(`a page of Jobs whose response hangs ${where} is requested again after ten seconds, with a limit of five Jobs`, async (t) => {
      const { limits, seen, read } = await aStore(t, ({ length }, response) => {
        if (length === 1) hang(response);
        else response.end(page(job));
      });
      assert.deepEqual(await read(), { resourceVersion: '7', next: undefined });
      assert.deepEqual([limits, seen], [['100', '5'], [{ metadata: { name: 'a' } }]]);
    });
  }

  test('if the request for a page of Jobs hangs, and the second request with a limit of five Jobs too, the page is read without a field selector', async (t) => {
    const { limits, read } = await aStore(t, ({ length }, response) => {
      if (length > 2) response.end(page(job));
    });
    assert.deepEqual(await read(), { resourceVersion: '7', next: undefined });
    assert.deepEqual(limits, ['100', '5', '100']);
  });

  test('a page of Jobs over 8 MiB is requested again with a limit of five Jobs, before any Job is handled', async (t) => {
    const large = `{"metadata":{"name":"${'x'.repeat(100_000)}"}}`;
    const { limits, seen, read } = await aStore(t, ({ length }, response) => {
      response.end(page(length === 1 ? Array(100).fill(large).join() : job));
    });
    assert.deepEqual(await read(), { resourceVersion: '7', next: undefined });
    assert.deepEqual([limits, seen], [['100', '5'], [{ metadata: { name: 'a' } }]]);
  });
});
