import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { ensureBinaries } from '../../tools/control-plane/binaries.ts';
import { INSTALL } from '../../tools/manifests/kustomize.ts';
import { podCgroups } from '../../tools/node/machine.ts';
import { recordedJob } from '../support/builders/recorded-jobs.ts';
import { kubectlPlugin } from '../support/cluster/kubectl-plugin.ts';
import { blocksRunBy, projectFile } from '../support/docs.ts';
import { eventually } from '../support/eventually.ts';
import { promisedMs } from '../support/promised-ms.ts';
import {
  createRestrictedNamespace,
  DEPLOYMENT,
  install,
  NAMESPACE,
  ROLLOUT_MS,
  type Stage,
  startStage,
  untilNoPods,
} from './support.ts';

/** Maximum time from `kubectl apply` to the first capped Job, with the image on the node. */
const INSTALL_MS = promisedMs(30_000);
/**
 * Time limit for the first call with a renewed token. The kubelet of the test renews tokens every ten seconds, and the
 * client reads its token file every minute.
 */
const NEW_TOKEN_MS = 150_000;

describe('an install with kubectl apply on a real node', () => {
  let stage: Stage;
  /**
   * The Pod cgroups that exist before the test, for example of a node on this machine. The test must not remove them.
   */
  let cgroupsBefore: readonly string[];
  before(async () => {
    cgroupsBefore = await podCgroups();
    stage = await startStage();
    await createRestrictedNamespace(stage);
  });
  after(() => stage?.stop());

  it('Jobs are capped through the ClusterIP within 30 s after one kubectl apply', async (t) => {
    const tookMs = await install(stage);
    t.diagnostic(`${tookMs} ms from kubectl apply to the first Job that was capped`);
    assert.ok(tookMs < INSTALL_MS);
    const service = await stage.core.readNamespacedService({
      namespace: NAMESPACE,
      name: 'terraform-job-webhook-service',
    });
    const address = service.spec?.clusterIP ?? '';
    const { data } = await stage.core.readNamespacedSecret({
      namespace: NAMESPACE,
      name: 'terraform-job-webhook-cert',
    });
    const ca = join(stage.node.layout.folder, 'endpoint-ca.crt');
    await stage.node.inside('sh', '-c', `echo ${data?.['ca.crt']} | base64 -d > ${ca}`);
    const name = `terraform-job-webhook-service.${NAMESPACE}.svc`;
    const url = `https://${name}/modify-terraform-job`;
    const answer = await stage.node.inside(
      'curl',
      '-s',
      '--cacert',
      ca,
      '--resolve',
      `${name}:443:${address}`,
      '-d',
      '{}',
      url,
    );
    assert.match(answer, /must be application\/json/);
  });

  it('the Pods meet the restricted Pod Security Standard and use seccomp and a read-only root file system', async () => {
    const { metadata } = await stage.core.readNamespace({ name: NAMESPACE });
    assert.equal(metadata?.labels?.['pod-security.kubernetes.io/enforce'], 'restricted');
    const status = await stage.kubectl('-n', NAMESPACE, 'exec', DEPLOYMENT, '--', 'cat', '/proc/1/status');
    assert.match(status, /^Uid:\t65532\t65532/m);
    assert.match(status, /^CapBnd:\t0000000000000000$/m);
    assert.match(status, /^NoNewPrivs:\t1$/m);
    assert.match(status, /^Seccomp:\t2$/m);
    const write = stage.kubectl('-n', NAMESPACE, 'exec', DEPLOYMENT, '--', 'touch', '/app/file');
    await assert.rejects(write, /Read-only file system/);
  });

  it('the daemon reads API server, namespace and identity from its Pod, and uses a renewed token', async (t) => {
    const uses = async () => {
      const lines = (await readFile(stage.node.layout.auditLog, 'utf8')).trim().split('\n');
      return lines
        .map((line) => JSON.parse(line))
        .map(({ user, objectRef }) => {
          const extra = user.extra ?? {};
          return {
            user: user.username,
            pod: extra['authentication.kubernetes.io/pod-name']?.[0],
            credential: extra['authentication.kubernetes.io/credential-id']?.[0],
            namespace: objectRef?.namespace,
          };
        });
    };
    const first = await uses();
    assert.deepEqual(
      [...new Set(first.map(({ user }) => user))],
      [`system:serviceaccount:${NAMESPACE}:terraform-daemon`],
    );
    const names = (await stage.pods()).map(({ metadata }) => metadata?.name);
    assert.deepEqual([...new Set(first.map(({ pod }) => pod))].toSorted(), names.toSorted());
    // A restarted kubelet requests new tokens.
    const seen = new Set(first.map(({ credential }) => credential));
    await stage.node.inside('pkill', '-x', 'kubelet');
    const start = performance.now();
    await eventually(
      async () => {
        const now = (await uses()).filter(({ credential }) => !seen.has(credential));
        assert.deepEqual([...new Set(now.map(({ pod }) => pod))].toSorted(), names.toSorted());
      },
      { withinMs: NEW_TOKEN_MS },
    );
    t.diagnostic(
      `both replicas called with a new token ${Math.round((performance.now() - start) / 1000)} s after the kubelet was started again`,
    );
    const restarts = (await stage.pods()).map(({ status }) => status?.containerStatuses?.[0]?.restartCount);
    assert.deepEqual(restarts, [0, 0]);
  });

  it('a second kubectl apply changes no object', async () => {
    // kubectl always prints "configured" for a PodDisruptionBudget, so the test compares the objects.
    const state = async () => {
      const lists = await Promise.all([
        stage.kubectl('get', '-f', INSTALL, '-o', 'json'),
        stage.kubectl('get', 'mutatingwebhookconfiguration', '-o', 'json'),
        stage.kubectl('-n', NAMESPACE, 'get', 'secret', '-o', 'json'),
      ]);
      return lists
        .flatMap((list) => JSON.parse(list).items)
        .map(({ metadata, status: _status, ...object }) => {
          const { resourceVersion: _version, managedFields: _fields, ...rest } = metadata;
          return { ...object, metadata: rest };
        });
    };
    const before = await state();
    await stage.kubectl('apply', '-f', INSTALL);
    assert.deepEqual(await state(), before);
  });

  it('the shell commands of README and docs for a real node exit with code 0 on that node', async (t) => {
    const folder = await mkdtemp(join(tmpdir(), 'terraform-daemon-docs-'));
    t.after(() => rm(folder, { recursive: true }));
    await symlink((await ensureBinaries(['kubectl'])).kubectl, join(folder, 'kubectl'));
    const env = { ...process.env, PATH: `${folder}:${process.env.PATH}`, KUBECONFIG: stage.kubeconfig };
    const blocks = await blocksRunBy('node');
    assert.ok(blocks.length > 0);
    for (const { file, line, commands } of blocks) {
      const ran = promisify(execFile)('bash', ['-euo', 'pipefail', '-c', commands], { cwd: projectFile('.'), env });
      await assert.doesNotReject(ran, `${file}:${line}`);
    }
  });

  it('the kubectl plugin runs commands in a Pod of the daemon with their exit codes, and with colours on a terminal', async () => {
    const plugin = await kubectlPlugin(stage.kubeconfig);
    const inspected = await plugin.run('inspect', '--address', '127.0.0.1:8090');
    assert.equal(inspected.exitCode, 0, inspected.stderr);
    assert.match(inspected.stdout, /^verdict: healthy$/m);
    assert.equal((await plugin.run('inspect', '--no-such-option')).exitCode, 2);
    const { exitCode, received } = await plugin.onTerminal('inspect', '--address', '127.0.0.1:8090');
    assert.equal(exitCode, 0, received);
    assert.ok(received.includes('\u001b[32mhealthy\u001b[39m'), received);
  });

  it('the kubectl plugin runs a command in a new Pod while no Pod of the daemon runs, and deletes the Pod', async () => {
    const plugin = await kubectlPlugin(stage.kubeconfig);
    await stage.kubectl('-n', NAMESPACE, 'scale', DEPLOYMENT, '--replicas=0');
    await untilNoPods(stage);
    const { exitCode, stdout, stderr } = await plugin.run('policy');
    assert.equal(exitCode, 0, stderr);
    assert.match(stdout, /^kind: MutatingAdmissionPolicy$/m);
    // Without the endpoint, the report of the new Pod is unhealthy. It reads the Secret with the rights of the daemon.
    const inspected = await plugin.run('inspect');
    assert.notEqual(inspected.exitCode, 0);
    assert.match(inspected.stdout, /^verdict: /m, inspected.stderr);
    assert.equal((await stage.kubectl('-n', NAMESPACE, 'get', 'pods', '-o', 'name')).includes('command'), false);
  });

  it('kubectl delete -f leaves no object of the install', async (t) => {
    const kinds = (await stage.kubectl('api-resources', '--verbs=list,delete', '-o', 'name')).trim().split('\n');
    // Events expire by themselves, and metrics of Pods do not belong to the install.
    const listed = kinds.filter((kind) => !/^(events|.*metrics)\b/.test(kind)).join();
    const ours = async () => {
      const names = await stage.kubectl('get', listed, '-A', '--ignore-not-found', '-o', 'name');
      return names.split('\n').filter((name) => /terraform-(daemon|job-webhook)/.test(name));
    };
    const before = await ours();
    for (const made of ['mutatingwebhookconfiguration', 'secret', 'lease']) {
      assert.ok(
        before.some((name) => name.startsWith(made)),
        `${made}: ${before}`,
      );
    }
    const start = performance.now();
    await stage.kubectl('delete', '-f', INSTALL);
    await eventually(async () => assert.deepEqual(await ours(), []), { withinMs: ROLLOUT_MS });
    t.diagnostic(
      `${before.length} objects were gone ${Math.round(performance.now() - start)} ms after kubectl delete was called`,
    );
    const job = await recordedJob('create-terraform-apply', 'default');
    const stored = await stage.batch.createNamespacedJob({ namespace: 'default', body: job, dryRun: 'All' });
    assert.equal(stored.spec?.backoffLimit, job.spec?.backoffLimit);
  });

  it('the node of the tests leaves no process, mount or cgroup after its stop', async () => {
    const { folder } = stage.node.layout;
    await stage.stop();
    assert.deepEqual(await podCgroups(), cgroupsBefore);
    const mounts = await readFile('/proc/self/mountinfo', 'utf8');
    assert.ok(!mounts.includes(folder));
    const { stdout } = await promisify(execFile)('ps', ['-eo', 'args']);
    assert.ok(!stdout.includes(folder));
  });
});
