import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream';
import { after, before, beforeEach, describe, it, type TestContext } from 'node:test';
import { AuthorizationV1Api, KubeConfig } from '@kubernetes/client-node';
import { freePort } from '../../tools/control-plane/free-port.ts';
import { startFaultProxy } from '../support/chaos/fault-proxy.ts';
import { type Cluster, REGISTRATION, SECRET, startCluster } from '../support/cluster/cluster.ts';
import { startDaemon } from '../support/cluster/daemon.ts';
import { samplesOf } from '../support/cluster/exposition.ts';
import { eventually } from '../support/eventually.ts';
import { promisedMs } from '../support/promised-ms.ts';

describe('start and stop of the daemon', () => {
  let cluster: Cluster;
  before(async () => {
    cluster = await startCluster();
  });
  after(() => cluster.stop());
  beforeEach(() => cluster.forgetDaemon());

  it('/readyz names the failed checks of a starting daemon, and returns 200 when all checks pass', async (t) => {
    const daemon = await startDaemon({ kubeconfig: cluster.daemonKubeconfig, flags: ['--drain-time=60s'] });
    t.after(() => daemon.stop('SIGKILL'));
    assert.deepEqual(await daemon.probe('/readyz'), { status: 200, text: 'ok\n' });
    assert.equal((await daemon.probe('/healthz')).status, 200);
    void daemon.stop('SIGTERM');
    await daemon.line('draining');
    const { status, text } = await daemon.probe('/readyz');
    assert.equal(status, 503);
    assert.match(text, /\[-\]shutdown failed: the replica is shutting down/);
    assert.equal((await daemon.probe('/healthz')).status, 200, 'it must not be killed while it drains');
  });

  it('the daemon exits with code 0 on SIGTERM and SIGINT', async () => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      const daemon = await startDaemon({ kubeconfig: cluster.daemonKubeconfig });
      await daemon.line('ready');
      assert.equal(await daemon.stop(signal), 0);
      assert.equal(daemon.lines.at(-1)?.message, 'stopped');
    }
  });

  it('a second signal ends the daemon at once, without waiting for the drain time', async () => {
    const daemon = await startDaemon({ kubeconfig: cluster.daemonKubeconfig, flags: ['--drain-time=30m'] });
    await daemon.line('ready');
    void daemon.stop('SIGTERM');
    await daemon.line('draining');
    assert.equal(await daemon.stop('SIGTERM'), 128 + 15);
  });

  it('the daemon exits with code 0 on a signal that arrives before it is ready', async (t) => {
    const { kubeconfig } = await kubeconfigOfProxy(t);
    const daemon = await startDaemon({ kubeconfig });
    await daemon.line('reconcile failed, will try again');
    assert.equal(await daemon.stop(), 0);
  });

  it('the daemon exits with code 0 within three seconds while the API server does not respond', async (t) => {
    const proxy = await startFaultProxy(cluster.daemonKubeconfig);
    t.after(() => proxy.close());
    const daemon = await startDaemon({ kubeconfig: proxy.kubeconfig });
    t.after(() => daemon.stop('SIGKILL'));
    await daemon.line('jobs listed');
    const connections = await proxy.hang();
    // At least four connections: the watches of Secret, registration and Jobs, and the renewal of the Lease.
    await eventually(() => assert.ok(connections() >= 4, `${connections()} connections`), { withinMs: 60_000 });
    const start = performance.now();
    assert.equal(await daemon.stop(), 0);
    const ms = Math.round(performance.now() - start);
    t.diagnostic(`ended ${ms} ms after SIGTERM`);
    assert.ok(ms < promisedMs(3_000), `${ms} ms`);
  });

  it('a daemon without an API server retries, and becomes ready when the API server is available', async (t) => {
    const { kubeconfig, open } = await kubeconfigOfProxy(t);
    const daemon = await startDaemon({ kubeconfig });
    t.after(() => daemon.stop());
    const attempt = await daemon.line('reconcile failed, will try again');
    assert.equal(attempt.code, 'KUBE_UNAVAILABLE');
    assert.match(String(attempt.error), /ECONNREFUSED/);
    await open();
    await daemon.line('ready');
  });

  it('the daemon stays ready while the API server is unavailable or refuses its token', async (t) => {
    const proxy = await startFaultProxy(cluster.daemonKubeconfig);
    t.after(() => proxy.close());
    const daemon = await startDaemon({ kubeconfig: proxy.kubeconfig });
    t.after(() => daemon.stop('SIGKILL'));
    await daemon.line('ready');
    const readAt = async () => {
      const { samples } = samplesOf((await daemon.probe('/metrics')).text);
      return samples.get('terraform_daemon_registration_read_timestamp_seconds') ?? 0;
    };
    const ageWhileReady = async () => {
      const { status, text } = await daemon.probe('/readyz');
      assert.deepEqual([status, text], [200, 'ok\n']);
      return Date.now() / 1000 - (await readAt());
    };
    const grows = async (failure: string) => {
      const before = daemon.lines.length;
      const from = await readAt();
      await eventually(async () => assert.ok((await ageWhileReady()) > 2), { withinMs: 60_000 });
      assert.equal(await readAt(), from);
      await eventually(() => assert.ok(daemon.lines.slice(before).some(({ code }) => code === failure)), {
        withinMs: 60_000,
      });
    };
    await proxy.cut();
    await grows('KUBE_UNAVAILABLE');
    await proxy.restore({ isKnown: false });
    await grows('KUBE_FORBIDDEN');
    const refusedAt = await readAt();
    await proxy.cut();
    await proxy.restore();
    await eventually(async () => assert.ok((await readAt()) > refusedAt));
    await ageWhileReady();
  });

  it('a daemon whose port is in use exits without a write to the API server', async (t) => {
    const taken = createServer().listen(0, '127.0.0.1');
    await once(taken, 'listening');
    t.after(() => taken.close());
    const { port } = taken.address() as AddressInfo;
    const daemon = await startDaemon({ kubeconfig: cluster.daemonKubeconfig, port });
    assert.equal(await daemon.ended, 1);
    assert.equal((await daemon.line('exiting on fatal error')).code, 'SERVER_LISTEN_FAILED');
    assert.equal(await cluster.secret(), undefined);
  });

  it('the error about a missing RBAC right names the verb, the object and the file manifests/base/rbac.yaml', async (t) => {
    const name = 'not-allowed';
    const secretDenied = await startDaemon({
      kubeconfig: cluster.daemonKubeconfig,
      flags: [`--secret-name=${name}`],
    });
    t.after(() => secretDenied.stop());
    const failure = await secretDenied.line('reconcile failed, will try again');
    assert.equal(failure.code, 'KUBE_FORBIDDEN');
    assert.match(String(failure.error), /cannot read Secret vela-system\/not-allowed.*cannot get resource "secrets"/s);
    assert.match(String(failure.error), /manifests\/base\/rbac\.yaml/);
  });

  it('by SubjectAccessReview, the rights of the daemon on Secrets and webhook configurations are limited to its own two objects', async () => {
    const config = new KubeConfig();
    config.loadFromFile(cluster.kubeconfig);
    const authorization = config.makeApiClient(AuthorizationV1Api);
    const review = async (resourceAttributes: object) => {
      const user = 'system:serviceaccount:vela-system:terraform-daemon';
      const groups = ['system:serviceaccounts', 'system:authenticated'];
      const body = { spec: { user, groups, resourceAttributes } };
      return (await authorization.createSubjectAccessReview({ body })).status?.allowed;
    };
    const secrets = { resource: 'secrets', namespace: 'vela-system' };
    const registrations = { group: 'admissionregistration.k8s.io', resource: 'mutatingwebhookconfigurations' };
    for (const verb of ['get', 'watch', 'create', 'patch']) {
      assert.equal(await review({ ...secrets, verb, name: SECRET }), true, `${verb} its own Secret`);
      assert.equal(await review({ ...secrets, verb, name: 'other' }), false, `${verb} another Secret`);
      assert.equal(await review({ ...secrets, verb }), false, `${verb} any Secret`);
      assert.equal(await review({ ...registrations, verb, name: REGISTRATION }), true);
      assert.equal(await review({ ...registrations, verb, name: 'other' }), false);
      assert.equal(await review({ ...registrations, verb }), false);
    }
    assert.equal(await review({ ...secrets, verb: 'delete', name: SECRET }), true, 'one that cannot be changed');
    assert.equal(await review({ ...registrations, verb: 'delete', name: REGISTRATION }), false);
    for (const verb of ['list', 'watch', 'delete', 'update']) {
      assert.equal(await review({ ...secrets, verb }), false, `${verb} Secrets`);
    }
  });

  /**
   * Returns a kubeconfig for the daemon and a function `open`. The kubeconfig has the address of a proxy before the API
   * server. The proxy refuses connections until `open` is called.
   */
  async function kubeconfigOfProxy(t: TestContext) {
    const folder = await mkdtemp(join(tmpdir(), 'terraform-daemon-proxy-'));
    const port = await freePort();
    const config = JSON.parse(await readFile(cluster.daemonKubeconfig, 'utf8'));
    const { server: apiServer } = config.clusters[0].cluster;
    config.clusters[0].cluster.server = `https://127.0.0.1:${port}`;
    const kubeconfig = join(folder, 'kubeconfig');
    await writeFile(kubeconfig, JSON.stringify(config), { mode: 0o600 });
    const proxy = createServer((socket) => {
      const upstream = connect({ host: '127.0.0.1', port: Number(new URL(apiServer).port) });
      // Errors are ignored: when one side closes a connection, `pipeline` closes the other side.
      pipeline(socket, upstream, socket, () => {});
    });
    t.after(async () => {
      proxy.close();
      await rm(folder, { recursive: true });
    });
    const open = async () => {
      proxy.listen(port, '127.0.0.1');
      await once(proxy, 'listening');
    };
    return { kubeconfig, open };
  }
});
