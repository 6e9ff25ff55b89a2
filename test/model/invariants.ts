import { refuses, type State } from './state.ts';
import { FOREIGN } from './symbols.ts';
import type { World } from './world.ts';

/** Returns which invariant the state violates; `undefined` if none. */
export function violationOf(world: World, state: State): string | undefined {
  const { versions } = world.registrationOf(state);
  const foreign = versions.find(({ bundle, isOutside }) => !isOutside && bundle?.includes(FOREIGN));
  if (foreign)
    return `the daemon has published ${foreign.bundle}, but ${FOREIGN} has the name constraints of another service`;
  return state.replicas
    .keys()
    .map((index) => refusalOf(world, state, index))
    .find((refusal) => refusal !== undefined);
}

/**
 * Returns why an API server refuses the replica. A replica that became ready with a certificate that an API server
 * refused (`Replica.begunFor`) is excepted for a settle time.
 */
function refusalOf(world: World, state: State, index: number): string | undefined {
  const { isCalled, presented, begunFor } = world.replicaAt(state, index) ?? {};
  if (!isCalled || presented === undefined || begunFor !== undefined) return undefined;
  const { versions, at } = world.registrationOf(state);
  const refusing = at.flatMap((version) => versions[version] ?? []).find((version) => refuses(version, presented));
  return refusing && `replica ${index + 1} presents ${presented} to an API server that trusts ${refusing.bundle}`;
}
