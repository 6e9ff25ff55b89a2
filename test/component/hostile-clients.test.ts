import assert from 'node:assert/strict';
import { describe as suite, test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { gzipSync } from 'node:zlib';
import { aReview } from '../support/builders/a-review.ts';
import { withValue } from '../support/builders/any-job.ts';
import {
  connectTo,
  ENDPOINT_PATH,
  type Endpoint,
  patchOf,
  startEndpoint,
  startPost,
} from '../support/cluster/endpoint.ts';
import { eventually } from '../support/eventually.ts';

setFlagsFromString('--expose-gc');
const collectGarbage: () => void = runInNewContext('gc');

const CRLF = '\r\n';
const good = JSON.stringify(aReview());

/** Returns the bytes of a request with the given headers. */
const wire = (headers: readonly string[], body = ''): string =>
  [
    `POST ${ENDPOINT_PATH}?timeout=10s HTTP/1.1`,
    'Host: x',
    'Content-Type: application/json',
    ...headers,
    '',
    body,
  ].join(CRLF);

const length = (bytes: number): string => `Content-Length: ${bytes}`;
const LAST = 'Connection: close';

/** Sends raw bytes and returns all bytes that the server sends until it closes the connection. */
async function exchange(endpoint: Endpoint, bytes: string): Promise<string> {
  const socket = await connectTo(endpoint);
  socket.write(bytes);
  return Buffer.concat(await socket.toArray()).toString('utf8');
}

const statusesIn = (answer: string): number[] =>
  [...answer.matchAll(/HTTP\/1\.1 (\d{3})/g)].map(([, status]) => Number(status));

async function assertServes(endpoint: Endpoint): Promise<void> {
  assert.equal(patchOf(await endpoint.post(good)).length, 3);
}

suite('the response to unusual or invalid HTTP', () => {
  const chunk = (text: string) => `${text.length.toString(16)}${CRLF}${text}${CRLF}`;
  const rows: [name: string, bytes: string, statuses: number[]][] = [
    [
      'a chunked body',
      wire(['Transfer-Encoding: chunked', LAST], `${chunk(good.slice(0, 9))}${chunk(good.slice(9))}${chunk('')}`),
      [200],
    ],
    [
      'three pipelined requests',
      wire([length(good.length)], good).repeat(2) + wire([length(good.length), LAST], good),
      [200, 200, 200],
    ],
    ['Expect: 100-continue', wire(['Expect: 100-continue', length(good.length), LAST], good), [100, 200]],
    ['a Content-Length of three bytes with a longer body', wire([length(3), LAST], good), [400]],
    ['two different Content-Length headers', wire([length(3), length(good.length)], good), [400]],
    [
      'Content-Length together with Transfer-Encoding',
      wire([length(3), 'Transfer-Encoding: chunked'], chunk(good)),
      [400],
    ],
    ['headers of 20 kB', wire([`X-Padding: ${'x'.repeat(20_000)}`, length(good.length)], good), [431]],
    ['a POST without Content-Length and Transfer-Encoding', wire([LAST]), [400]],
    ['a POST with Content-Length 0', wire([length(0), LAST]), [400]],
    ['bytes that are not HTTP', `hello${CRLF}${CRLF}`, [400]],
  ];
  for (const [name, bytes, statuses] of rows) {
    test(`the endpoint responds ${statuses.join(', ')} to ${name}`, async (t) => {
      const endpoint = await startEndpoint(t);
      assert.deepEqual(statusesIn(await exchange(endpoint, bytes)), statuses);
      await assertServes(endpoint);
    });
  }

  test('the endpoint responds 415 to a compressed body', async (t) => {
    const endpoint = await startEndpoint(t);
    const headers = { 'Content-Type': 'application/json', 'Content-Encoding': 'gzip' };
    assert.equal((await endpoint.post(gzipSync(good), { headers })).status, 415);
  });

  test('a client that disconnects during its request causes one log line of the endpoint', async (t) => {
    const endpoint = await startEndpoint(t);
    const { request, reply } = startPost(endpoint);
    const isReset = assert.rejects(reply, { code: 'ECONNRESET' });
    request.write(good.slice(0, 9), () => request.destroy());
    await isReset;
    await eventually(() =>
      assert.deepEqual(
        endpoint.lines.map(({ level }) => level),
        ['warn'],
      ),
    );
    assert.deepEqual(endpoint.outcomes, ['malformed']);
    await assertServes(endpoint);
  });
});

suite('many large request bodies at once', () => {
  const MIB = 1024 * 1024;
  const large = JSON.stringify(aReview({ padding: 'x'.repeat(18 * MIB) }));

  /** Starts requests with a large body and sends all of it except the last byte. `finish` sends the last byte. */
  async function hold(endpoint: Endpoint, count: number, body = large) {
    const calls = Array.from({ length: count }, () =>
      startPost(endpoint, { headers: { 'Content-Type': 'application/json', 'Content-Length': String(body.length) } }),
    );
    await Promise.all(
      calls.map(({ request }) => new Promise((resolve) => void request.write(body.slice(0, -1), resolve))),
    );
    const finish = () => {
      for (const { request } of calls) request.end(body.slice(-1));
      return Promise.all(calls.map(({ reply }) => reply));
    };
    return { calls, finish };
  }

  test('beyond the limit of concurrent large bodies the endpoint responds 503 with Retry-After, and serves ordinary requests', async (t) => {
    const endpoint = await startEndpoint(t);
    const { finish } = await hold(endpoint, 5);
    await assertServes(endpoint);
    const replies = await finish();
    const statuses = replies.map(({ status }) => status);
    assert.deepEqual(statuses.toSorted(), [200, 200, 200, 503, 503]);
    const { headers, text } = replies[statuses.indexOf(503)] ?? {};
    assert.deepEqual([headers?.['retry-after'], headers?.connection], ['1', 'close']);
    assert.equal(text, 'too many large requests at once; try again\n');
    assert.deepEqual(endpoint.outcomes.toSorted(), ['busy', 'busy', 'patched', 'patched', 'patched', 'patched']);
    assert.deepEqual(
      endpoint.lines.find(({ level }) => level === 'warn')?.message,
      'admission request refused: endpoint busy',
    );
    assert.equal((await endpoint.post(large)).status, 200);
  });

  test('the endpoint accepts new large bodies after the clients of earlier ones have disconnected', async (t) => {
    const endpoint = await startEndpoint(t);
    const { calls } = await hold(endpoint, 4);
    for (const { request, reply } of calls) {
      reply.catch(() => {});
      request.destroy();
    }
    await eventually(() => assert.equal(endpoint.outcomes.length, 4));
    const { finish } = await hold(endpoint, 3);
    assert.deepEqual(
      (await finish()).map(({ status }) => status),
      [200, 200, 200],
    );
  });

  test('a large Content-Length without a body does not count against the limit of concurrent large bodies', async (t) => {
    const endpoint = await startEndpoint(t);
    const headers = { 'Content-Type': 'application/json', 'Content-Length': String(large.length) };
    const announced = Array.from({ length: 20 }, () => startPost(endpoint, { headers }));
    for (const { request, reply } of announced) {
      reply.catch(() => {});
      request.flushHeaders();
    }
    assert.equal((await endpoint.post(large)).status, 200);
    for (const { request } of announced) request.destroy();
  });

  test('while answers wait to be sent together, the memory of the endpoint holds the parsed values of one body only', async (t) => {
    const heaps: number[] = [];
    const info = () => {
      collectGarbage();
      heaps.push(process.memoryUsage().heapUsed / MIB);
    };
    const endpoint = await startEndpoint(t, { log: { info } });
    const many = JSON.stringify(aReview({ padding: Array.from({ length: 190_000 }, () => ({})) }));
    const { finish } = await hold(endpoint, 8, many);
    // After this answer the endpoint has read all but the last bytes, so that all bodies are complete in one turn.
    await assertServes(endpoint);
    assert.ok((await finish()).every(({ status }) => status === 200));
    // The values of each body take 11 MiB.
    assert.ok(Math.max(...heaps) - Math.min(...heaps) < 22, `MiB at each decision: ${heaps.map(Math.round)}`);
  });
});

suite('request bodies with very many JSON values', () => {
  const bodyOf = (json: string) => JSON.stringify(aReview({ options: '@' })).replace('"@"', () => json);
  const lists = (count: number) => `[${'[],'.repeat(count / 2 - 1)}[]]`;

  test('the endpoint responds 413 to a body with too many JSON values before it parses the body', async (t) => {
    const endpoint = await startEndpoint(t);
    const { status, text } = await endpoint.post(bodyOf(lists(400_000)));
    assert.deepEqual([status, text], [413, 'body: too many JSON values: must have at most 400000\n']);
    assert.deepEqual(endpoint.outcomes, ['malformed']);
    assert.equal((await endpoint.post(bodyOf(lists(399_000)))).status, 200);
  });

  test('brackets and commas in a JSON string do not count against the limit of JSON values', async (t) => {
    const endpoint = await startEndpoint(t);
    assert.equal((await endpoint.post(bodyOf(JSON.stringify('\\",[{'.repeat(400_000))))).status, 200);
  });
});

suite('the response to hostile JSON', () => {
  const levels = 100_000;
  const deep = {
    lists: '['.repeat(levels) + ']'.repeat(levels),
    objects: `${'{"a":'.repeat(levels)}1${'}'.repeat(levels)}`,
  };
  /** Returns a valid review with raw JSON text at one path, because `JSON.stringify` could not write such text. */
  const spoiled = (path: string, text: string): string =>
    JSON.stringify(withValue(aReview(), path.split('.'), '@here@')).replace('"@here@"', text);

  const podSpec = 'request.object.spec.template.spec';
  const rows: [path: string, outcome: string][] = [
    ['request.options', 'patched'],
    ['request.oldObject', 'patched'],
    ['request.object.spec.novelty', 'patched'],
    ['request.object', 'refused'],
    [`${podSpec}.containers`, 'refused'],
    [`${podSpec}.restartPolicy`, 'refused'],
    ['request.name', 'malformed'],
    ['request.uid', 'malformed'],
  ];
  for (const [kind, text] of Object.entries(deep)) {
    for (const [path, outcome] of rows) {
      test(`a review with 100,000 nested ${kind} at ${path} is ${outcome}`, async (t) => {
        const endpoint = await startEndpoint(t);
        await endpoint.post(spoiled(path, text));
        assert.deepEqual(endpoint.outcomes, [outcome]);
      });
    }

    test(`a review with 100,000 nested ${kind} at request.resource.group causes no internal error`, async (t) => {
      const endpoint = await startEndpoint(t);
      await endpoint.post(spoiled('request.resource.group', text));
      assert.notDeepEqual(endpoint.outcomes, ['error']);
    });
  }

  test('the endpoint responds to a body with invalid UTF-8 and logs the replacement character', async (t) => {
    const endpoint = await startEndpoint(t);
    const body = Buffer.from(JSON.stringify(aReview({ name: 'a@b' })));
    body[body.indexOf('@')] = 0xff;
    assert.equal((await endpoint.post(body)).review.response.allowed, true);
    assert.equal(endpoint.lines[0]?.fields.name, 'a\ufffdb');
  });

  test('if a JSON field of a review is repeated, the endpoint uses the last value, as the API server does', async (t) => {
    const endpoint = await startEndpoint(t);
    const { review } = await endpoint.post(
      good.replace('"operation":"CREATE"', '"operation":"CREATE","operation":"DELETE"'),
    );
    assert.equal(review.response.patch, undefined);
  });
});
