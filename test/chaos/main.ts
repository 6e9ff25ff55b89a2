import { setTimeout as delay } from 'node:timers/promises';
import { installRights } from '../../tools/manifests/kustomize.ts';
import { assertAtRest } from '../lifecycle/stage.ts';
import type { Span } from '../support/chaos/admission-outcomes.ts';
import { type AdmissionStream, startAdmissionStream } from '../support/chaos/admission-stream.ts';
import { entryOf, secretDamages } from '../support/chaos/damages.ts';
import { clusterOf, DAEMON_USER, setUp } from '../support/cluster/cluster.ts';
import { startService } from '../support/cluster/service.ts';
import { eventually } from '../support/eventually.ts';
import { registrationDamages } from './damaging.ts';
import { createFaults, type Faults } from './faults.ts';
import { type FlagValues, readFlags } from './flags.ts';
import { startHaControlPlane } from './ha-control-plane.ts';
import { logHoldings } from './holdings-log.ts';
import { followMissedJobs } from './missed-jobs.ts';
import { reportOf } from './report.ts';
import { describeAction, scheduleOf } from './schedule.ts';
import { type Sight, startSight } from './sight.ts';
import { canJump, type Slot, startSlot } from './slots.ts';
import type { Stage } from './stage.ts';
import { createWindowLog } from './windows.ts';

const ABOUT = `npm run test:chaos [-- FLAG…]

Creates a stream of Jobs during random faults of replicas, network, API servers and etcd. A seed determines the faults.
Exits with code 0 only if every guarantee of docs/explanation/reliability.md held.`;

const FLAGS = {
  minutes: { default: 5, low: 0.1, high: 10_000 },
  seed: { default: Math.floor(Math.random() * 1e6), low: 0, high: 4_294_967_295 },
  replicas: { default: 2, low: 1, high: 5 },
  'per-second': { default: 30, low: 1, high: 500 },
};
type Flags = FlagValues<typeof FLAGS>;

const SERVERS = 2;
const NAMESPACE = 'chaos';
/**
 * The settle time of the daemons: half of the default. 30 s is longer than the longest pause of an API server, because
 * each API server must read a new CA bundle within the settle time. A half-open link can last longer. The API server
 * then rejects the old certificate of that replica only if the rotation switches in the first seconds of the fault,
 * because the old CA is removed one settle time after the switch.
 */
const SETTLE = '30s';
const DAEMON_FLAGS = [`--settle-time=${SETTLE}`, '--drain-time=1s', '--ca-lifetime=4h', '--cert-lifetime=2h'];
/** Time for two CA rotations in a row. */
const REST_MS = 180_000;
const HEALED_MS = 30_000;

const print = (text: string) => process.stdout.write(`${text}\n`);

async function run(flags: Flags): Promise<boolean> {
  const broken: string[] = [];
  const kills: Span[] = [];
  const plane = await startHaControlPlane(SERVERS, [{ name: DAEMON_USER }]);
  const service = await startService();
  const windows = createWindowLog();
  const slots: Slot[] = [];
  const sights: Sight[] = [];
  try {
    const clusters = plane.servers.map(clusterOf);
    const cluster = await setUp(
      plane.servers[0] as (typeof plane.servers)[number],
      await installRights({ backstop: true }),
    );
    await cluster.createNamespace(NAMESPACE);
    const crashed = (story: string) => void broken.push(story);
    const killed = (kill: Span) => void kills.push(kill);
    for (let nth = 0; nth < flags.replicas; nth++) {
      slots.push(await startSlot(nth, { plane, service, windows, flags: DAEMON_FLAGS, killed, crashed }));
    }
    await Promise.all(slots.map((slot) => slot.start('reader')));
    const rest = () => {
      const replicas = slots.map((slot) => slot.replica());
      return eventually(() => assertAtRest({ cluster, service, replicas }), { withinMs: REST_MS });
    };
    await rest();
    const wanted = entryOf(await cluster.registration());
    if (wanted === undefined) throw new Error('the daemon has registered nothing');
    for (const server of plane.servers) sights.push(await startSight(server.kubeconfig, wanted));

    const kubeconfigs = plane.servers.map(({ kubeconfig }) => kubeconfig);
    const perSecond = flags['per-second'];
    const stream = await startAdmissionStream(cluster, { namespace: NAMESPACE, perSecond, realEvery: 1, kubeconfigs });
    const ended = new AbortController();
    const { labelSelector } = stream;
    const missed = followMissedJobs({ clusters, namespace: NAMESPACE, labelSelector, perSecond }, ended.signal);
    const holdings = logHoldings(() => slots.map((slot) => slot.replica()), ended.signal);
    const stage: Stage = { plane, clusters, slots, sights, windows };
    const faults = createFaults(stage);
    await playSchedule(faults, flags);
    for (const slot of slots) await slot.setClock(0);
    await rest().catch((error: unknown) => broken.push(`it has not come to rest after ${REST_MS} ms: ${error}`));
    const { requests } = await endStream(stream, ended, () => missed.finish(HEALED_MS));
    const scene = { windows: windows.all(), kills, replicas: flags.replicas };
    const failedOpen = await Promise.all(clusters.map((one) => one.failedOpen()));
    const findings = { requests, scene, failedOpen, missed: missed.seen(), repairs: faults.repairs() };
    const report = reportOf({ ...findings, holdings: await holdings, faults: broken });
    print(`\n${report.text}`);
    for (const line of report.broken.slice(0, 40)) print(`BROKEN: ${line}`);
    return report.broken.length === 0;
  } finally {
    await Promise.all(sights.map((sight) => sight.stop()));
    await Promise.all(slots.map((slot) => slot.close()));
    await service.close();
    await plane.stop();
  }
}

async function endStream(stream: AdmissionStream, ended: AbortController, finish: () => Promise<void>) {
  await delay(1_000);
  ended.abort();
  // `stream.finish` ends the stream and keeps the stored Jobs. `finish` checks whether these Jobs are capped.
  // `stream.stop` deletes the Jobs that are left.
  const report = await stream.finish();
  await finish();
  await stream.stop();
  return report;
}

async function playSchedule(faults: Faults, { seed, minutes, replicas }: Flags): Promise<void> {
  const schedule = scheduleOf(seed, {
    lengthMs: minutes * 60_000,
    replicas,
    servers: SERVERS,
    secretDamages: secretDamages.map(({ name }) => name),
    registrationDamages: registrationDamages.map(({ name }) => name),
    canJump: canJump(),
  });
  if (!canJump()) print('Clocks do not jump: libfaketime is not installed.');
  const startedAt = performance.now();
  const done = schedule.map(async (action) => {
    await delay(action.atMs - (performance.now() - startedAt));
    print(`${new Date().toISOString().slice(11, 23)} ${describeAction(action)}`);
    const problem = await faults.perform(action);
    if (problem !== undefined) print(`  not done: ${action.kind} of ${(action.atMs / 1_000).toFixed(1)} s: ${problem}`);
  });
  await Promise.all(done);
}

try {
  const flags = readFlags(FLAGS, ABOUT);
  print(
    `npm run test:chaos -- --minutes ${flags.minutes} --seed ${flags.seed} --replicas ${flags.replicas} --per-second ${flags['per-second']}`,
  );
  const isWell = await run(flags);
  print(isWell ? 'Each guarantee held.' : `A guarantee did not hold; the seed was ${flags.seed}.`);
  process.exitCode = isWell ? 0 : 1;
} catch (error) {
  print(`npm run test:chaos: ${error instanceof Error ? error.stack : error}`);
  // `process.exit` is necessary: after an error in the middle of a run, the stream of Jobs keeps the process alive.
  process.exit(2);
}
