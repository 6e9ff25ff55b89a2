import { spreadOf } from './figures.ts';
import type { StartResults } from './results.ts';
import type { PeerName } from './server-names.ts';
import { type Server, startOurs, startPeer } from './servers.ts';
import type { Stage } from './stage.ts';

/** Starts each program several times. A start without a Secret varies, because the time to generate an RSA key varies. */
export async function measureStarts({ programs, cluster, rounds, isQuick, progress }: Stage): Promise<StartResults> {
  const seen = { fresh: [] as number[], existing: [] as number[] };
  const names = Object.keys(programs.peers.commands) as PeerName[];
  const peers = names.map((name) => ({ name, seen: [] as number[] }));
  const count = isQuick ? 3 : rounds * 5;
  for (let nth = 0; nth < count; nth++) {
    progress(`start ${nth + 1} of ${count}`, true);
    await cluster.forgetDaemon();
    seen.fresh.push(await startOnce(() => startOurs(programs, cluster.daemonKubeconfig)));
    seen.existing.push(await startOnce(() => startOurs(programs, cluster.daemonKubeconfig)));
    for (const { name, seen } of peers) seen.push(await startOnce(() => startPeer(name, programs)));
  }
  return {
    fresh: spreadOf(seen.fresh),
    existing: spreadOf(seen.existing),
    peers: Object.fromEntries(
      peers.map(({ name, seen }) => [name, spreadOf(seen)]),
    ) as unknown as StartResults['peers'],
  };
}

async function startOnce(start: () => Promise<Server>): Promise<number> {
  const server = await start();
  await server.stop();
  return server.startMs;
}
