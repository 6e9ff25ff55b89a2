import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { V1Job } from '@kubernetes/client-node';
import { ensureTerraformImages } from '../../tools/image/images.ts';
import { eventually } from '../support/eventually.ts';
import { createRestrictedNamespace, createTerraformJob, install, type Stage, startStage } from './support.ts';
import { startTicketSystem, type TicketSystem } from './tickets.ts';

const UNTOUCHED = 'without the daemon, for 60 s';
/** How long the test observes a Job that never finishes. */
const LOOK_MS = 60_000;
/** Time in which a second run of the container would start. */
const SECOND_RUN_MS = 20_000;

interface Row {
  readonly how: string;
  readonly tickets: number;
  readonly state: string;
  readonly pods: number;
  readonly hasLog: boolean;
}

describe('the number of runs of a failing terraform apply in a Job of terraform-controller', () => {
  let stage: Stage;
  let tickets: TicketSystem;
  const rows: Row[] = [];
  before(async () => {
    stage = await startStage(ensureTerraformImages);
    tickets = await startTicketSystem(stage.node);
  });
  after(async () => {
    await stage?.stop();
    for (const row of rows) process.stdout.write(`${JSON.stringify(row)}\n`);
  });

  const createJob = async (namespace: string, change: (job: V1Job) => V1Job) =>
    (await createTerraformJob(stage, namespace, change)).name;
  async function look(how: string, namespace: string, name: string): Promise<Row> {
    const { status } = await stage.batch.readNamespacedJob({ namespace, name });
    const { items } = await stage.core.listNamespacedPod({ namespace, labelSelector: `job-name=${name}` });
    const log = await stage.kubectl('-n', namespace, 'logs', `job/${name}`, '--pod-running-timeout=2s').catch(() => '');
    const failed = status?.conditions?.find(({ type }) => type === 'Failed');
    const row = {
      how,
      tickets: await tickets.runs(name),
      state: failed ? `Failed (${failed.reason})` : 'never done',
      pods: items.length,
      hasLog: log.includes('A ticket was filed'),
    };
    rows.push(row);
    return row;
  }
  const untilFailed = (namespace: string, name: string) =>
    eventually(
      async () => {
        const { status } = await stage.batch.readNamespacedJob({ namespace, name });
        assert.ok(status?.conditions?.some(({ type }) => type === 'Failed'));
      },
      { withinMs: 90_000 },
    );

  it('without the daemon a failing apply runs repeatedly, and with backoffLimit 0 alone it runs twice', async () => {
    const rename = (name: string) => (job: V1Job) => ({ ...job, metadata: { ...job.metadata, name } });
    const untouched = await createJob('untouched', rename('untouched-apply'));
    const limited = await createJob('limited', (job) => {
      const { spec } = job;
      assert.ok(spec);
      return rename('limited-apply')({ ...job, spec: { ...spec, backoffLimit: 0 } });
    });
    await eventually(async () => assert.equal(await tickets.runs(untouched), 1), { withinMs: 60_000 });
    await Promise.all([untilFailed('limited', limited), delay(LOOK_MS)]);
    const first = await look(UNTOUCHED, 'untouched', untouched);
    const second = await look('backoffLimit: 0 alone', 'limited', limited);
    assert.ok(first.tickets > 2, JSON.stringify(first));
    assert.deepEqual([second.tickets, second.pods, second.hasLog], [2, 0, false]);
    await stage.kubectl('delete', 'namespace', 'untouched', 'limited', '--wait=false');
  });

  it('with the daemon a failing apply runs once, and its Pod and log remain', async () => {
    await createRestrictedNamespace(stage);
    await install(stage);
    const name = await createJob('capped', (job) => ({ ...job, metadata: { ...job.metadata, name: 'capped-apply' } }));
    await untilFailed('capped', name);
    await delay(SECOND_RUN_MS);
    const row = await look('with the daemon', 'capped', name);
    assert.deepEqual(
      { ...row, how: '' },
      { how: '', tickets: 1, state: 'Failed (BackoffLimitExceeded)', pods: 1, hasLog: true },
    );
  });

  it('the README table of how often a failing terraform apply runs equals the measured runs', async () => {
    const readme = await readFile(new URL('../../README.md', import.meta.url), 'utf8');
    const lines = rows.map(({ how, tickets, pods, hasLog }) => {
      const afterwards = pods > 0 && hasLog ? 'kept' : 'deleted';
      return how === UNTOUCHED ? `| ${how} | \\d+ and more |` : `| ${how} | ${tickets} | ${afterwards} |`;
    });
    for (const line of lines) assert.match(readme, new RegExp(`^${line.replaceAll('|', '\\|')}`, 'm'));
  });
});
