import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { CHART } from '../../tools/chart/chart.ts';
import { helm } from '../../tools/chart/helm.ts';
import { ensureTool } from '../../tools/control-plane/binaries.ts';
import { blocksRunBy, projectFile } from '../support/docs.ts';
import { eventually } from '../support/eventually.ts';
import { createRestrictedNamespace, NAMESPACE, type Stage, startStage, untilCapped } from './support.ts';

const SECRET = 'secret/terraform-job-webhook-cert';
const REGISTRATION = 'mutatingwebhookconfiguration/terraform-job-webhook-configuration';
const LEASE = 'lease/terraform-job-webhook-backstop';
/** Time limit for the end of Pods and for the garbage collector. */
const GONE_MS = 90_000;

describe('the Helm chart on a real node, as docs/how-to/install-with-helm.md says', async () => {
  const [install, upgrade, uninstall, ...others] = await blocksRunBy('helm');
  let stage: Stage;
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'terraform-daemon-helm-'));
    await symlink(await ensureTool('helm4'), join(folder, 'helm'));
    stage = await startStage();
    await createRestrictedNamespace(stage);
  });
  after(async () => {
    await stage?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  const run = (commands = '') =>
    promisify(execFile)('bash', ['-euo', 'pipefail', '-c', commands], {
      cwd: projectFile('.'),
      env: { PATH: `${folder}:${process.env.PATH}`, HOME: folder, KUBECONFIG: stage.kubeconfig },
    });
  const written = async () => {
    const secret = JSON.parse(await stage.kubectl('-n', NAMESPACE, 'get', SECRET, '-o', 'json'));
    const registration = JSON.parse(await stage.kubectl('get', REGISTRATION, '-o', 'json'));
    assert.ok(secret.data['tls.key'] && registration.webhooks[0].clientConfig.caBundle);
    return { secret, registration };
  };

  it('docs/how-to/install-with-helm.md has three blocks: install, upgrade, uninstall', () => {
    assert.match(install?.commands ?? '', /^helm install /);
    assert.match(upgrade?.commands ?? '', /^helm upgrade /);
    assert.match(uninstall?.commands ?? '', /^helm uninstall /);
    assert.deepEqual(others, []);
  });

  it('helm install --wait ends when the daemon is ready and caps Jobs', async (t) => {
    const start = performance.now();
    await run(install?.commands);
    t.diagnostic(`${Math.round(performance.now() - start)} ms for helm install --wait`);
    const ready = (await stage.pods()).map(({ status }) => status?.containerStatuses?.[0]?.ready);
    assert.deepEqual(ready, [true, true]);
    await untilCapped(stage);
  });

  it('helm test passes, and leaves no object', async () => {
    await run('helm test terraform-daemon --namespace vela-system');
    const left = await stage.kubectl('-n', NAMESPACE, 'get', 'pods,serviceaccounts,roles', '-o', 'name');
    assert.doesNotMatch(left, /terraform-daemon-test/);
  });

  it('a helm upgrade that restarts no Pod does not change Secret and registration', async () => {
    const before = await written();
    const values = { podDisruptionBudget: { enabled: false } };
    await helm(
      { helm: 'helm4', kubeconfig: stage.kubeconfig, values },
      ...['upgrade', 'terraform-daemon', CHART, '--namespace', NAMESPACE, '--wait'],
    );
    assert.deepEqual(await written(), before);
  });

  it('a helm upgrade that restarts all Pods keeps the CA', async () => {
    const before = await written();
    await run(upgrade?.commands);
    const { secret, registration } = await written();
    assert.deepEqual(registration, before.registration);
    for (const key of ['ca.crt', 'ca.key']) assert.equal(secret.data[key], before.secret.data[key]);
    await untilCapped(stage);
  });

  it('helm uninstall leaves no object of the install on a real cluster', async () => {
    await run(uninstall?.commands);
    const kinds =
      'pod,deployment,service,serviceaccount,role,rolebinding,clusterrole,clusterrolebinding,networkpolicy,pdb';
    await eventually(
      async () => {
        const left = await Promise.all([
          stage.kubectl('get', kinds, '-A', '-l', 'app=terraform-daemon', '-o', 'name'),
          stage.kubectl('-n', NAMESPACE, 'get', SECRET, LEASE, '--ignore-not-found', '-o', 'name'),
          stage.kubectl('get', REGISTRATION, '--ignore-not-found', '-o', 'name'),
        ]);
        assert.deepEqual(left, ['', '', '']);
      },
      { withinMs: GONE_MS },
    );
  });
});
