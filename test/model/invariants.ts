import type { State } from './state.ts';
import { authorityOf, FOREIGN } from './symbols.ts';
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
 * Returns why an API server refuses the replica. A replica that began with a new certificate (`Replica.begunFor`) is
 * excepted for a settle time. The daemon answers for the CA bundles that it has written: while an API
 * server uses a version of another writer, or no registration, nothing is checked.
 */
function refusalOf(world: World, state: State, index: number): string | undefined {
  const replica = world.replicaAt(state, index);
  if (!replica?.isCalled || replica.presented === undefined || replica.begunFor !== undefined) return undefined;
  const { versions, at } = world.registrationOf(state);
  const authority = authorityOf(replica.presented);
  const used = at.flatMap((version) => versions[version] ?? []);
  const refusing = used.find(({ bundle, isOutside }) => !isOutside && bundle !== null && !bundle.includes(authority));
  return (
    refusing && `replica ${index + 1} presents ${replica.presented} to an API server that trusts ${refusing.bundle}`
  );
}
