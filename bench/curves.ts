import assert from 'node:assert/strict';
import { writeBodies } from './bodies.ts';
import { startServers } from './endpoint.ts';
import { spreadOf } from './figures.ts';
import { type Measured, measure, warmUp } from './load.ts';
import type { CurveResults } from './results.ts';
import { type ByServer, rowsOf, type ServerName } from './server-names.ts';
import { startOurs } from './servers.ts';
import type { Stage } from './stage.ts';

/**
 * Measures each server with several numbers of open connections. Returns the requests per second and the 99th
 * percentile of the latency for each number of connections.
 */
export async function measureConnections(stage: Stage): Promise<CurveResults['connections']> {
  const { folder, isQuick, progress } = stage;
  const { create } = await writeBodies(folder);
  const servers = await startServers(stage);
  const points: CurveResults['connections'][number][] = [];
  try {
    for (const [, server] of rowsOf(servers)) await warmUp(server, { bodyFile: create, connections: 16 });
    for (const connections of isQuick ? [1, 16] : [1, 4, 16, 64, 256]) {
      progress(`${connections} connections`, true);
      const at = { bodyFile: create, connections, seconds: isQuick ? 1 : 3 };
      const seen: Partial<Record<ServerName, Pick<Measured, 'perSecond' | 'p99Ms'>>> = {};
      for (const [name, server] of rowsOf(servers)) {
        const { perSecond, p99Ms } = await measure(server, at);
        seen[name] = { perSecond, p99Ms };
      }
      points.push({ connections, ...(seen as ByServer<Pick<Measured, 'perSecond' | 'p99Ms'>>) });
    }
  } finally {
    await Promise.all(rowsOf(servers).map(([, server]) => server.stop()));
  }
  return points;
}

/** Starts several replicas at once without a Secret, and returns the time until the last replica is ready. */
export async function measureReplicas({ programs, cluster, isQuick, rounds, progress }: Stage) {
  const points: CurveResults['replicas'][number][] = [];
  for (const replicas of isQuick ? [1, 3] : [1, 2, 3, 5, 10]) {
    const seen: number[] = [];
    for (let round = 0; round < (isQuick ? 1 : rounds); round++) {
      progress(`${replicas} replicas, round ${round + 1}`, true);
      await cluster.forgetDaemon();
      const starts = Array.from({ length: replicas }, () => startOurs(programs, cluster.daemonKubeconfig));
      const started = await Promise.allSettled(starts);
      const servers = started.flatMap((start) => (start.status === 'fulfilled' ? [start.value] : []));
      const secret = await cluster.secret();
      await Promise.all(servers.map((server) => server.stop()));
      assert.equal(servers.length, replicas, 'a replica did not start');
      const bundle = Buffer.from(secret?.data?.['ca.crt'] ?? '', 'base64').toString();
      assert.equal(bundle.match(/BEGIN CERTIFICATE/g)?.length, 1, 'all replicas use one CA');
      seen.push(Math.max(...servers.map(({ startMs }) => startMs)));
    }
    points.push({ replicas, readyMs: spreadOf(seen).median });
  }
  return points;
}
