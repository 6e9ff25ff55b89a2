import { spreadOf } from './figures.ts';
import type { StartResults } from './results.ts';
import { type Server, startOurs, startPeer } from './servers.ts';
import type { Stage } from './stage.ts';

/** Starts each program several times. A start without a Secret varies, because the time to generate an RSA key varies. */
export async function measureStarts({ programs, cluster, rounds, isQuick, progress }: Stage): Promise<StartResults> {
  const seen = { fresh: [] as number[], existing: [] as number[], go: [] as number[], floor: [] as number[] };
  const count = isQuick ? 3 : rounds * 5;
  for (let nth = 0; nth < count; nth++) {
    progress(`start ${nth + 1} of ${count}`, true);
    await cluster.forgetDaemon();
    seen.fresh.push(await startOnce(() => startOurs(programs, cluster.daemonKubeconfig)));
    seen.existing.push(await startOnce(() => startOurs(programs, cluster.daemonKubeconfig)));
    seen.go.push(await startOnce(() => startPeer('go', programs)));
    seen.floor.push(await startOnce(() => startPeer('floor', programs)));
  }
  return {
    fresh: spreadOf(seen.fresh),
    existing: spreadOf(seen.existing),
    go: spreadOf(seen.go),
    floor: spreadOf(seen.floor),
  };
}

async function startOnce(start: () => Promise<Server>): Promise<number> {
  const server = await start();
  await server.stop();
  return server.startMs;
}
