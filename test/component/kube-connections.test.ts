import assert from 'node:assert/strict';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { createSecureServer } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { connect } from '../../src/kube/client.ts';
import { createJobStore } from '../../src/stores/job-store.ts';
import { aCertificateSet } from '../support/builders/a-certificate-set.ts';
import { aFolder } from '../support/builders/a-folder.ts';
import { readValidKubeconfig } from '../support/builders/a-kubeconfig.ts';

const never = new AbortController().signal;

interface Response {
  write(text: string): unknown;
  end(text: string): unknown;
}

const emptyObject = (_url: string, response: Response): void => void response.end('{}');

/** Starts a fake API server that supports HTTP/1.1 and HTTP/2. It prefers HTTP/2, as servers in Go do. */
async function startBoth(t: TestContext, answer = emptyObject) {
  const { serving, ca } = await certificates;
  const versions: string[] = [];
  const server = createSecureServer({ cert: serving.certificate, key: serving.privateKey, allowHTTP1: true });
  server.on('request', (request, response) => {
    versions.push(request.httpVersion);
    response.setHeader('Content-Type', 'application/json');
    answer(request.url, response);
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
    await followJson(
      { path: '/apis/batch/v1/jobs', query: {}, what: 'Jobs', onEvent() {} },
      AbortSignal.timeout(5_000),
    );
    assert.deepEqual(versions, ['1.1']);
  });
});

describe('reading a page of Jobs from the API server', { concurrency: true, timeout: 60_000 }, () => {
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

  test('if the request for a page of Jobs hangs, and the second request with a limit of five Jobs too, the read fails with KUBE_UNAVAILABLE', async (t) => {
    const { limits, read } = await aStore(t, ({ length }, response) => {
      if (length > 2) response.end(page(job));
    });
    await assert.rejects(read(), { code: 'KUBE_UNAVAILABLE' });
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
