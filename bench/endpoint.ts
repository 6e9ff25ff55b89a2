import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { patchOf, post } from '../test/support/cluster/endpoint.ts';
import { type BodyName, bodyNames, bodyTexts, writeBodies } from './bodies.ts';
import { rotated, spreadOf } from './figures.ts';
import { type Measured, measure, warmUp } from './load.ts';
import { memoryOf } from './process-figures.ts';
import type { ByServer, EndpointResults } from './results.ts';
import { type Server, type ServerName, serverNames, serverTexts, startOurs, startPeer } from './servers.ts';
import type { Stage } from './stage.ts';

/**
 * Number of open connections in each load measurement. They imitate the concurrent calls of an API server in a busy
 * cluster.
 */
const CONNECTIONS = 16;

/**
 * How often each round measures each server with a small body. The servers take turns, and each turn is short, because
 * the speed of a shared machine changes by a fifth. With short turns, such a change affects all servers.
 */
const SLICES = 3;
const SLICE_SECONDS = 2;
/** Duration of a turn with bodies of 1 MiB. The Go peer needs up to two seconds for one answer. */
const LARGE_SECONDS = 6;

const measures = ['perSecond', 'p50Ms', 'p99Ms', 'cpuMsPer1000'] as const;

/** Measures each server with each body, in turn and several times. Also reads the memory before and after the load. */
export async function measureEndpoint(stage: Stage): Promise<EndpointResults> {
  const { folder, rounds, progress } = stage;
  const files = await writeBodies(folder);
  const servers = await startServers(stage);
  try {
    const rest = eachServer((name) => memoryOf(servers[name].pid).rssMib);
    for (const name of serverNames) await warmUp(servers[name], { connections: CONNECTIONS, bodyFile: files.create });
    const load: Partial<Record<BodyName, EndpointResults['load'][BodyName]>> = {};
    let loaded = rest;
    for (const body of bodyNames.toSorted(largeLast)) {
      if (body === 'large') loaded = eachServer((name) => memoryOf(servers[name].pid).rssMib);
      const [turns, seconds] = body === 'large' ? [rounds, LARGE_SECONDS] : [SLICES * rounds, SLICE_SECONDS];
      const at = { turns, connections: CONNECTIONS, seconds, bodyFile: files[body] };
      const seen = await measureInTurn(servers, at, (turn, name) =>
        progress(`${bodyTexts[body]}, turn ${turn + 1} of ${turns}: ${serverTexts[name]}`, true),
      );
      load[body] = eachServer((name) => spreads(seen[name]));
    }
    const memory = eachServer((name) => {
      const { rssMib, peakMib } = memoryOf(servers[name].pid);
      return { rest: rest[name], loaded: loaded[name], large: rssMib, peak: peakMib };
    });
    return { connections: CONNECTIONS, load: load as EndpointResults['load'], memory };
  } finally {
    await Promise.all(serverNames.map((name) => servers[name].stop()));
  }
}

type Turns = Parameters<typeof measure>[1] & { readonly turns: number };

async function measureInTurn(
  servers: ByServer<Server>,
  { turns, ...at }: Turns,
  onTurn: (turn: number, name: ServerName) => void,
): Promise<ByServer<Measured[]>> {
  const seen = eachServer((): Measured[] => []);
  for (let turn = 0; turn < turns; turn++) {
    for (const name of rotated(serverNames, turn)) {
      onTurn(turn, name);
      seen[name].push(await measure(servers[name], at));
    }
  }
  return seen;
}

const largeLast = (one: BodyName, other: BodyName): number => Number(one === 'large') - Number(other === 'large');

const eachServer = <T>(value: (name: ServerName) => T): ByServer<T> => ({
  ours: value('ours'),
  go: value('go'),
  floor: value('floor'),
});

const spreads = (rounds: readonly Measured[]): EndpointResults['load'][BodyName][ServerName] =>
  Object.fromEntries(measures.map((field) => [field, spreadOf(rounds.map((round) => round[field]))])) as never;

/**
 * Starts the daemon, the Go webhook and a Node.js server with a constant answer, and checks that the daemon and the Go
 * webhook cap a Job. All servers run at the same time, because an idle server uses almost no CPU.
 */
export async function startServers({ programs, cluster, folder }: Stage): Promise<ByServer<Server>> {
  await cluster.forgetDaemon();
  const ours = await startOurs(programs, cluster.daemonKubeconfig);
  const servers = { ours, go: await startPeer('go', programs), floor: await startPeer('floor', programs) };
  const secret = await cluster.secret();
  const caBundle = Buffer.from(secret?.data?.['ca.crt'] ?? '', 'base64').toString();
  const { create } = await writeBodies(folder);
  await assertCaps(servers.ours, caBundle, create);
  await assertCaps(servers.go, programs.caBundle, create);
  return servers;
}

/** What the patch of the Job in `create` must set. */
const WANTED: readonly (readonly [path: string, value: unknown])[] = [
  ['/spec/backoffLimit', 0],
  ['/spec/template/spec/restartPolicy', 'Never'],
  [
    '/metadata/annotations',
    { 'terraform.job.kb.io/capped': '{"rule":"terraform","backoffLimit":2147483647,"restartPolicy":"OnFailure"}' },
  ],
];

/**
 * Throws unless the webhook caps and marks the Job in `bodyFile`, returns one warning, and names the rule `terraform` in the
 * audit annotation `rule`. The comparison of the daemon with the Go webhook is fair only if each of them does this
 * work.
 */
async function assertCaps({ port, name }: Server, caBundle: string, bodyFile: string): Promise<void> {
  const reply = await post({ port, caBundle }, await readFile(bodyFile, 'utf8'));
  assert.equal(reply.status, 200, name);
  // controller-runtime sends no JSON content type, so `post` does not parse the answer.
  const review = JSON.parse(reply.text);
  const changed = patchOf({ ...reply, review }).map(
    ({ path, value }: { path: string; value: unknown }) => `${path} ${JSON.stringify(value)}`,
  );
  for (const [path, value] of WANTED) {
    const change = `${path} ${JSON.stringify(value)}`;
    assert.ok(changed.includes(change), `${serverTexts[name]} does not change ${change}: ${changed}`);
  }
  assert.equal(review.response.warnings.length, 1, name);
  assert.equal(review.response.auditAnnotations.rule, 'terraform', name);
}
