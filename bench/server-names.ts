/** All servers, in the order of the tables. The webhooks do the same work; the floors answer a constant. */
const serverNames = ['ours', 'plainGo', 'controllerRuntime', 'rust', 'floor', 'parsingFloor'] as const;
export type ServerName = (typeof serverNames)[number];
export type PeerName = Exclude<ServerName, 'ours'>;

/** A value for each server of a run. There is no Rust peer if the machine has no cargo. */
type By<Name extends ServerName, T> = Readonly<Record<Exclude<Name, 'rust'>, T>> & { readonly rust?: T };
export type ByServer<T> = By<ServerName, T>;
export type ByPeer<T> = By<PeerName, T>;
export type ByWebhookPeer<T> = By<'plainGo' | 'controllerRuntime' | 'rust', T>;

export const serverTexts: Readonly<Record<ServerName, string>> = {
  ours: 'terraform-daemon',
  plainGo: 'Go, net/http and encoding/json',
  controllerRuntime: 'Go, controller-runtime',
  rust: 'Rust, hyper and serde_json',
  floor: 'the floor',
  parsingFloor: 'the floor, body read and parsed',
};

/** Returns whether the server does the work of the daemon. */
export const isWebhook = (name: ServerName): boolean => name !== 'floor' && name !== 'parsingFloor';

/** Returns the value of each server, in the order of the tables. */
export const rowsOf = <T>(values: Partial<Record<ServerName, T>>): (readonly [ServerName, T])[] =>
  serverNames.flatMap((name) => {
    const value = values[name];
    return value === undefined ? [] : [[name, value] as const];
  });

export const mapServers = <T, U>(values: ByServer<T>, change: (value: T, name: ServerName) => U): ByServer<U> =>
  Object.fromEntries(rowsOf(values).map(([name, value]) => [name, change(value, name)])) as unknown as ByServer<U>;
