import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { describe, it, type TestContext } from 'node:test';
import { startDaemon } from '../support/cluster/daemon.ts';
import { asTheImage } from '../support/cluster/image-entrypoint.ts';
import { createManyJobs } from '../support/cluster/many-jobs.ts';
import { grantBackstop, isNamespaced, startWithSmallerRights } from '../support/cluster/smaller-rights.ts';

const FEW = 10;
const MANY = 10_000;
const MOST = 1.5;
const NAMESPACE = 'crowd';
const RIGHTS = isNamespaced ? [`--backstop-namespaces=${NAMESPACE}`] : [];

describe('the peak memory of the first list of Jobs', () => {
  it(`the peak memory of a starting daemon is at most one and a half times as high with ${MANY} Jobs as with ${FEW}`, async (t) => {
    const cluster = await startWithSmallerRights({ backstopRbac: !isNamespaced });
    t.after(() => cluster.stop());
    await cluster.createNamespace(NAMESPACE);
    if (isNamespaced) await grantBackstop(cluster, [NAMESPACE]);
    // The Jobs already have backoffLimit 0, because the test measures the memory for reading Jobs, not for capping
    // them.
    const change = (job: Parameters<typeof cluster.createJob>[0]) =>
      ({ ...job, spec: { ...job.spec, backoffLimit: 0 } }) as typeof job;
    await createManyJobs(cluster.kubeconfig, { namespace: NAMESPACE, count: FEW, prefix: 'few', change });
    // This daemon issues the certificates before the measurement, so that the measured daemons need no memory to issue
    // certificates.
    const first = await startDaemon({ kubeconfig: cluster.daemonKubeconfig, flags: RIGHTS });
    t.after(() => first.stop('SIGKILL'));
    // The backstop lists Jobs before the certificates are stored.
    await first.line('ready');
    await first.stop();
    const few = await peakOf(t, cluster.daemonKubeconfig, FEW);
    const start = performance.now();
    await createManyJobs(cluster.kubeconfig, { namespace: NAMESPACE, count: MANY - FEW, prefix: 'many', change });
    t.diagnostic(`${MANY} Jobs created in ${((performance.now() - start) / 1000).toFixed(1)} s`);
    const many = await peakOf(t, cluster.daemonKubeconfig, MANY);
    t.diagnostic(
      `peak of the daemon: ${few} MiB with ${FEW} Jobs, ${many} MiB with ${MANY}: ${(many / few).toFixed(2)} x`,
    );
    assert.ok(many <= few * MOST, `${many} MiB`);
  });
});

/** Starts a daemon and returns its peak memory in MiB when it has listed all Jobs. */
async function peakOf(t: TestContext, kubeconfig: string, jobs: number): Promise<number> {
  // With the flags of the image, because the default young generation of Node.js is large, and its garbage is part of the
  // peak if the machine is slow.
  const flags = [...RIGHTS, '--rotate-on-start=false'];
  const daemon = await startDaemon({ kubeconfig, flags, command: asTheImage });
  t.after(() => daemon.stop('SIGKILL'));
  const listed = await daemon.line('jobs listed');
  assert.equal(listed.jobs, jobs);
  const issued = daemon.lines.filter(({ message }) => message === 'certificates issued');
  assert.deepEqual(issued, [], 'they come from the Secret');
  const status = await readFile(`/proc/${daemon.pid}/status`, 'utf8');
  await daemon.stop();
  return Math.round(Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1]) / 1024);
}
