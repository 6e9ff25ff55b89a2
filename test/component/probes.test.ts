import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { createConnection, type Socket } from 'node:net';
import { describe as suite, type TestContext, test } from 'node:test';
import { promisify } from 'node:util';
import { errorCodes } from '../../src/lib/errors.ts';
import { joinCertificates } from '../../src/lib/pem.ts';
import { type Health, liveness, readiness } from '../../src/operator/health.ts';
import { type ProbeServer, type ProbeSources, startProbes } from '../../src/operator/probe-server.ts';
import { createMetrics } from '../../src/telemetry/metrics.ts';
import { certificateOptions } from '../support/builders/a-certificate-set.ts';
import { someCertificates } from '../support/cluster/endpoint.ts';
import { samplesOf } from '../support/cluster/exposition.ts';
import { eventually, promptly } from '../support/eventually.ts';

const LOCAL = '127.0.0.1';
const run = promisify(execFile);
const at = (ms: number) => new Date(Date.now() + ms);
const MINUTE = 60_000;

/** Starts the probe server of a daemon in the given status. `get` sends it requests. */
async function startProbesOf(
  t: TestContext,
  status: Health,
  { now = at(0), ...sources }: Partial<ProbeSources> & { now?: Date } = {},
) {
  const { names } = certificateOptions();
  const metrics = createMetrics('1.2.3');
  const probes = await startProbes(
    {
      ready: () => readiness(status, names, now),
      live: () => liveness(status, now),
      metrics,
      refused: assert.fail,
      ...sources,
    },
    { port: 0, address: LOCAL },
  );
  t.after(() => probes.close());
  const get = async (path: string, options?: RequestInit) => {
    const response = await fetch(`http://${LOCAL}:${probes.port}${path}`, options);
    return { status: response.status, text: await response.text(), type: response.headers.get('content-type') };
  };
  return { get, metrics, probes };
}

/** Opens a raw TCP connection. Errors are ignored, because the server is expected to close it. */
async function connectTo(t: TestContext, { port }: ProbeServer): Promise<Socket> {
  const socket = createConnection(port, LOCAL);
  socket.on('error', () => {}).resume();
  t.after(() => socket.destroy());
  await once(socket, 'connect');
  return socket;
}

const TEXT = 'text/plain; charset=utf-8';

/** Returns the status of a daemon that passes all readiness checks. */
async function ready(): Promise<Health> {
  const { serving, caBundle } = await someCertificates();
  return { phase: 'running', presented: serving.certificate, liveBundle: caBundle, beatAt: at(0) };
}

suite('/readyz', () => {
  test('/readyz is ok if each check passes', async (t) => {
    const { get } = await startProbesOf(t, await ready());
    assert.deepEqual(await get('/readyz'), { status: 200, text: 'ok\n', type: TEXT });
  });

  test('/readyz?verbose lists each check', async (t) => {
    const { get } = await startProbesOf(t, await ready());
    const text = '[+]endpoint ok\n[+]certificate ok\n[+]registration ok\n[+]shutdown ok\n';
    assert.deepEqual(await get('/readyz?verbose'), { status: 200, text, type: TEXT });
  });

  test('/readyz names the failed checks at the start', async (t) => {
    const { get } = await startProbesOf(t, { phase: 'starting' });
    const text = [
      '[-]endpoint failed: no serving certificate yet',
      '[-]certificate failed: no serving certificate yet',
      '[-]registration failed: the CA bundle has not been read back from the API server yet',
      '[+]shutdown ok\n',
    ].join('\n');
    assert.deepEqual(await get('/readyz'), { status: 503, text, type: TEXT });
  });

  const rows: [name: string, change: () => Promise<Partial<Health>>, now: Date, line: RegExp][] = [
    [
      'the replica is shutting down',
      async () => ({ phase: 'draining' }),
      at(0),
      /^\[-\]shutdown failed: the replica is shutting down$/m,
    ],
    [
      'the presented certificate has expired',
      async () => ({}),
      at(100 * 365 * 24 * 60 * MINUTE),
      /^\[-\]certificate failed: the certificate is no longer valid$/m,
    ],
    [
      'the live CA bundle does not verify the presented certificate',
      async () => ({ liveBundle: (await someCertificates(2)).caBundle }),
      at(0),
      /^\[-\]registration failed: the live CA bundle does not verify the serving certificate$/m,
    ],
    [
      'the presented certificate is not for the name of the endpoint',
      async () => ({ presented: (await someCertificates()).ca.certificate }),
      at(0),
      /^\[-\]certificate failed: /m,
    ],
  ];
  for (const [name, change, now, line] of rows) {
    test(`/readyz fails if ${name}`, async (t) => {
      const { get } = await startProbesOf(t, { ...(await ready()), ...(await change()) }, { now });
      const { status, text } = await get('/readyz');
      assert.equal(status, 503);
      assert.match(text, line);
    });
  }

  test('/readyz uses the current status of the daemon in each request', async (t) => {
    const status: { -readonly [Field in keyof Health]: Health[Field] } = await ready();
    const { get } = await startProbesOf(t, status);
    const next = await someCertificates(2);
    status.presented = next.serving.certificate;
    assert.equal((await get('/readyz')).status, 503);
    status.liveBundle = joinCertificates([(await someCertificates()).caBundle, next.caBundle]);
    assert.equal((await get('/readyz')).status, 200);
  });
});

suite('/healthz', () => {
  const rows: [name: string, agoMs: number | undefined, status: number, text: RegExp][] = [
    ['before the first reconcile', undefined, 200, /^ok\n$/],
    ['four minutes after the last reconcile began', 4 * MINUTE, 200, /^ok\n$/],
    [
      'six minutes after the last reconcile began',
      6 * MINUTE,
      503,
      /^\[-\]reconcile-loop failed: the last reconcile began 360 s ago\n$/,
    ],
  ];
  for (const [name, agoMs, status, text] of rows) {
    test(`/healthz returns ${status} ${name}`, async (t) => {
      const now = at(0);
      const beat = agoMs === undefined ? {} : { beatAt: new Date(now.getTime() - agoMs) };
      const { get } = await startProbesOf(t, { phase: 'running', ...beat }, { now });
      const answer = await get('/healthz');
      assert.deepEqual([answer.status, answer.type], [status, TEXT]);
      assert.match(answer.text, text);
    });
  }
});

suite('/metrics', () => {
  test('/metrics describes each metric before its first sample', async (t) => {
    const { get } = await startProbesOf(t, await ready());
    const { status, text, type } = await get('/metrics');
    assert.deepEqual([status, type], [200, 'text/plain; version=0.0.4; charset=utf-8']);
    const { types } = samplesOf(text);
    const ours = Object.fromEntries([...types].filter(([name]) => name.startsWith('terraform_daemon_')));
    assert.deepEqual(ours, {
      terraform_daemon_admission_requests_total: 'counter',
      terraform_daemon_admission_duration_seconds: 'histogram',
      terraform_daemon_certificate_steps_total: 'counter',
      terraform_daemon_certificate_not_after_timestamp_seconds: 'gauge',
      terraform_daemon_certificate_renewal_due_timestamp_seconds: 'gauge',
      terraform_daemon_registrations_total: 'counter',
      terraform_daemon_bundle_trusts_serving: 'gauge',
      terraform_daemon_registration_read_timestamp_seconds: 'gauge',
      terraform_daemon_policy_valid: 'gauge',
      terraform_daemon_conflicts_total: 'counter',
      terraform_daemon_missed_jobs_total: 'counter',
      terraform_daemon_etcd_restores_total: 'counter',
      terraform_daemon_not_retried_jobs_total: 'counter',
      terraform_daemon_failed_applies: 'gauge',
      terraform_daemon_connections_refused_total: 'counter',
      terraform_daemon_reconcile_duration_seconds: 'histogram',
      terraform_daemon_reconcile_failures_total: 'counter',
      terraform_daemon_build_info: 'gauge',
    });
    assert.equal(types.get('process_cpu_seconds_total'), 'counter');
  });

  test('/metrics has the CPU time, the memory and the open files of the process', async (t) => {
    const { get } = await startProbesOf(t, await ready());
    const { samples } = samplesOf((await get('/metrics')).text);
    const figures = [...samples].filter(([name]) => /^(process|nodejs)_/.test(name));
    assert.deepEqual(
      figures.map(([name]) => name),
      [
        'process_cpu_seconds_total',
        'process_start_time_seconds',
        'process_resident_memory_bytes',
        'process_open_fds',
        'process_max_fds',
        'nodejs_heap_size_total_bytes',
        'nodejs_heap_size_used_bytes',
        'nodejs_external_memory_bytes',
      ],
    );
    for (const [name, value] of figures) assert.ok(value > 0, `${name} is ${value}`);
  });

  test('/metrics has the recorded counts and times of admission requests, certificates, registration, policy and Jobs', async (t) => {
    const { get, metrics } = await startProbesOf(t, await ready());
    metrics.admissionAnswered('patched', 0.0003);
    metrics.admissionAnswered('patched', 0.3);
    metrics.admissionAnswered('error', 0);
    metrics.certificatesDecided({ action: 'keep', until: at(0) });
    metrics.certificatesDecided({ action: 'renew', reason: 'due' });
    metrics.certificatesDecided({ action: 'switch' });
    metrics.notAfter('ca', new Date('2036-01-01T00:00:00Z'));
    metrics.notAfter('live-bundle', new Date('2035-01-01T00:00:00Z'));
    metrics.renewalDue('serving', new Date('2034-01-01T00:00:00Z'));
    metrics.trusted(true);
    metrics.registered('updated', 'ca-bundle');
    metrics.registrationRead(new Date('2033-01-01T00:00:00Z'));
    metrics.policyRead(true);
    metrics.repairThrottled('secret');
    metrics.jobMissed();
    metrics.jobMissed();
    metrics.etcdRestored();
    metrics.jobNotRetried();
    metrics.failedApplies(new Map([['team-a', 3]]));
    metrics.failedApplies(new Map([['team-b', 2]]));
    metrics.reconciled('failure', 2);
    metrics.reconcileFailed('KUBE_REJECTED');
    const { samples } = samplesOf((await get('/metrics')).text);
    const ours = [...samples].filter(([name]) => /^terraform_daemon_(?!.*_bucket)/.test(name));
    assert.deepEqual(Object.fromEntries(ours), {
      'terraform_daemon_admission_requests_total{outcome="patched"}': 2,
      'terraform_daemon_admission_requests_total{outcome="error"}': 1,
      terraform_daemon_admission_duration_seconds_sum: 0.3003,
      terraform_daemon_admission_duration_seconds_count: 3,
      'terraform_daemon_certificate_steps_total{action="renew",reason="due"}': 1,
      'terraform_daemon_certificate_steps_total{action="switch",reason="switch"}': 1,
      'terraform_daemon_certificate_not_after_timestamp_seconds{certificate="ca"}': Date.UTC(2036, 0) / 1000,
      'terraform_daemon_certificate_not_after_timestamp_seconds{certificate="live-bundle"}': Date.UTC(2035, 0) / 1000,
      'terraform_daemon_certificate_renewal_due_timestamp_seconds{certificate="serving"}': Date.UTC(2034, 0) / 1000,
      terraform_daemon_bundle_trusts_serving: 1,
      terraform_daemon_registration_read_timestamp_seconds: Date.UTC(2033, 0) / 1000,
      terraform_daemon_policy_valid: 1,
      'terraform_daemon_registrations_total{result="updated",reason="ca-bundle"}': 1,
      'terraform_daemon_conflicts_total{object="secret"}': 1,
      'terraform_daemon_conflicts_total{object="registration"}': 0,
      terraform_daemon_missed_jobs_total: 2,
      terraform_daemon_etcd_restores_total: 1,
      terraform_daemon_not_retried_jobs_total: 1,
      'terraform_daemon_failed_applies{configuration_namespace="team-b"}': 2,
      'terraform_daemon_connections_refused_total{reason="client-refused"}': 0,
      'terraform_daemon_connections_refused_total{reason="too-many-connections"}': 0,
      'terraform_daemon_reconcile_duration_seconds_sum{result="success"}': 0,
      'terraform_daemon_reconcile_duration_seconds_count{result="success"}': 0,
      'terraform_daemon_reconcile_duration_seconds_sum{result="failure"}': 2,
      'terraform_daemon_reconcile_duration_seconds_count{result="failure"}': 1,
      ...Object.fromEntries(errorCodes.map((code) => [`terraform_daemon_reconcile_failures_total{code="${code}"}`, 0])),
      'terraform_daemon_reconcile_failures_total{code="KUBE_REJECTED"}': 1,
      'terraform_daemon_build_info{version="1.2.3"}': 1,
    });
    const buckets = ['0.00025', '0.0005', '0.25', '1'];
    assert.deepEqual(
      buckets.map((le) => samples.get(`terraform_daemon_admission_duration_seconds_bucket{le="${le}"}`)),
      [1, 2, 2, 3],
    );
  });

  test('/metrics serves the other figures of the process if it has no free file descriptor', async () => {
    const program = `
      import { openSync } from 'node:fs';
      import { createMetrics } from ${JSON.stringify(import.meta.resolve('../../src/telemetry/metrics.ts'))};
      const metrics = createMetrics('1.2.3');
      await metrics.expose();
      try { for (;;) openSync('/dev/null'); } catch {}
      const { text } = await metrics.expose();
      const { writeSync } = await import('node:fs');
      writeSync(1, text);
      process.exit();`;
    const limited = ['-c', 'ulimit -n 60; exec "$0" "$@"', process.execPath, '--input-type=module', '-e', program];
    const { stdout } = await run('sh', limited);
    assert.match(stdout, /^process_open_fds NaN$/im);
    assert.match(stdout, /^process_cpu_seconds_total [\d.e-]+$/m);
    assert.match(stdout, /^terraform_daemon_build_info\{/m);
  });

  test('/metrics returns 500 if collecting fails', async (t) => {
    const metrics = { expose: () => Promise.reject(new Error('no memory')) };
    const { get } = await startProbesOf(t, await ready(), { metrics });
    assert.deepEqual(await get('/metrics'), { status: 500, text: 'no memory\n', type: TEXT });
  });
});

suite('the server of probes and metrics', () => {
  test('the probe server responds 404 to unknown paths', async (t) => {
    const { get } = await startProbesOf(t, await ready());
    const notFound = { status: 404, text: 'not found; valid paths are /healthz, /readyz and /metrics\n', type: TEXT };
    for (const path of ['/', '/readyz/x', '/metricsx']) assert.deepEqual(await get(path), notFound);
  });

  test('the probe server responds during a flood of connections and keeps at most 100 of them', async (t) => {
    const refusals: string[] = [];
    const refused = (...refusal: string[]) => refusals.push(refusal.join(': '));
    const { get, probes } = await startProbesOf(t, await ready(), { refused });
    const sockets: Socket[] = [];
    for (let made = 0; made < 300; made += 1) sockets.push(await connectTo(t, probes));
    assert.equal((await get('/healthz')).status, 200);
    const open = () => sockets.filter(({ closed }) => !closed);
    await eventually(() => assert.deepEqual(open(), sockets.slice(201)));
    assert.deepEqual(refusals, Array(201).fill('too-many-connections: more than 100 connections to the probe server'));
    assert.equal((await get('/readyz')).status, 200);
  });

  test('the probe server waits 5 s for headers and 10 s for a request, even if bytes trickle in', async (t) => {
    const { get, probes } = await startProbesOf(t, await ready());
    const startMs = performance.now();
    const cutOff = async (head: string) => {
      const socket = await connectTo(t, probes);
      socket.write(head);
      const trickle = setInterval(() => socket.destroyed || socket.write('x'), 500);
      await once(socket, 'close');
      clearInterval(trickle);
      return performance.now() - startMs;
    };
    const [headersMs, bodyMs] = await Promise.all([
      cutOff('GET /healthz HTTP/1.1\r\nHost: x\r\nX-A: '),
      cutOff('POST /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n'),
    ]);
    assert.ok(headersMs >= 4_500 && headersMs < bodyMs, `${headersMs} ms`);
    assert.ok(bodyMs >= 9_500 && bodyMs < 100_000, `${bodyMs} ms`);
    assert.equal((await get('/healthz')).status, 200);
  });

  test('the probe server closes at once, even with idle keep-alive connections', async (t) => {
    const { get, probes } = await startProbesOf(t, await ready());
    await connectTo(t, probes);
    await get('/healthz');
    await promptly(probes.close());
    await assert.rejects(get('/healthz'), ({ cause }: Error) => (cause as { code?: unknown }).code === 'ECONNREFUSED');
  });

  test('if its port is in use, the probe server does not start, and the error names the address, the port and their two options', async (t) => {
    const { probes } = await startProbesOf(t, await ready());
    const sources = { ready: () => [], live: () => [], metrics: createMetrics('1.2.3'), refused: assert.fail };
    await assert.rejects(startProbes(sources, { port: probes.port, address: LOCAL }), {
      name: 'OperatorError',
      code: 'SERVER_LISTEN_FAILED',
      message: new RegExp(
        `^cannot listen \\(--metrics-bind-port, --webhook-bind-address\\): .*EADDRINUSE.* 127\\.0\\.0\\.1:${probes.port}$`,
      ),
    });
  });
});
