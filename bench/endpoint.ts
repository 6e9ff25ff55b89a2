import { type BodyName, bodyNames, bodyTexts, writeBodies } from './bodies.ts';
import { rotated, spreadOf } from './figures.ts';
import { type Measured, measure, warmUp } from './load.ts';
import { memoryOf } from './process-figures.ts';
import type { EndpointResults } from './results.ts';
import { type ByServer, mapServers, type PeerName, rowsOf, serverTexts } from './server-names.ts';
import { type Server, startOurs, startPeer } from './servers.ts';
import type { Stage } from './stage.ts';

/**
 * Number of open connections in each load measurement. They imitate the concurrent calls of an API server in a busy
 * cluster.
 */
const CONNECTIONS = 16;

/**
 * How often each round measures each server with a body, and for how long in each turn. The servers take turns, and each turn is
 * short, because the speed of a shared machine changes by a fifth. With short turns, such a change affects all servers.
 * The targets are about `create`. With bodies of 1 MiB, a server needs up to two seconds for one answer.
 */
const slices: Readonly<Record<BodyName, { readonly turns: number; readonly seconds: number }>> = {
  create: { turns: 2, seconds: 2 },
  update: { turns: 1, seconds: 2 },
  plain: { turns: 1, seconds: 2 },
  large: { turns: 0.4, seconds: 5 },
};

const QUICK = { turns: 1, seconds: 1 };

const measures = ['perSecond', 'p50Ms', 'p99Ms', 'cpuMsPer1000'] as const;

/** Measures each server with each body, in turn and several times. Also reads the memory before and after the load. */
export async function measureEndpoint(stage: Stage): Promise<EndpointResults> {
  const { folder, rounds, isQuick, progress } = stage;
  const files = await writeBodies(folder);
  const servers = await startServers(stage);
  const all = rowsOf(servers).map(([, server]) => server);
  const memory = () => mapServers(servers, ({ pid }) => memoryOf(pid));
  try {
    const rest = memory();
    for (const server of all) await warmUp(server, { connections: CONNECTIONS, bodyFile: files.create });
    const load: Partial<Record<BodyName, EndpointResults['load'][BodyName]>> = {};
    let loaded = rest;
    for (const body of bodyNames.toSorted(largeLast)) {
      if (body === 'large') loaded = memory();
      const { turns: each, seconds } = isQuick ? QUICK : slices[body];
      const turns = Math.ceil(each * rounds);
      const at = { turns, connections: CONNECTIONS, seconds, bodyFile: files[body] };
      load[body] = await measureInTurn(servers, at, (turn, name) =>
        progress(`${bodyTexts[body]}, turn ${turn + 1} of ${turns}: ${serverTexts[name]}`, true),
      );
    }
    const large = memory();
    return {
      connections: CONNECTIONS,
      load: load as EndpointResults['load'],
      memory: mapServers(large, ({ rssMib, peakMib }, name) => ({
        rest: rest[name]?.rssMib ?? Number.NaN,
        loaded: loaded[name]?.rssMib ?? Number.NaN,
        large: rssMib,
        peak: peakMib,
      })),
    };
  } finally {
    await Promise.all(all.map((server) => server.stop()));
  }
}

type Turns = Parameters<typeof measure>[1] & { readonly turns: number };

async function measureInTurn(
  servers: ByServer<Server>,
  { turns, ...at }: Turns,
  onTurn: (turn: number, name: Server['name']) => void,
): Promise<EndpointResults['load'][BodyName]> {
  const seen = mapServers(servers, (): Measured[] => []);
  for (let turn = 0; turn < turns; turn++) {
    for (const [name, server] of rotated(rowsOf(servers), turn)) {
      onTurn(turn, name);
      seen[name]?.push(await measure(server, at));
    }
  }
  return mapServers(seen, spreads);
}

const largeLast = (one: BodyName, other: BodyName): number => Number(one === 'large') - Number(other === 'large');

const spreads = (rounds: readonly Measured[]) =>
  Object.fromEntries(measures.map((field) => [field, spreadOf(rounds.map((round) => round[field]))])) as never;

/**
 * Starts the daemon and each peer. All servers run at the same time, because an idle server uses almost no CPU.
 */
export async function startServers({ programs, cluster }: Stage): Promise<ByServer<Server>> {
  await cluster.forgetDaemon();
  const servers: Partial<Record<Server['name'], Server>> = {
    ours: await startOurs(programs, cluster.daemonKubeconfig),
  };
  for (const name of Object.keys(programs.peers.commands) as PeerName[])
    servers[name] = await startPeer(name, programs);
  return servers as ByServer<Server>;
}
