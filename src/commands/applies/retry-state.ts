import { OperatorError } from '../../lib/errors.ts';
import { type Apply, actionFor, applyOf, belongsTo, readConfiguration } from './apply.ts';
import { type ApplyStore, orRefused } from './apply-store.ts';
import { nearNames } from './near-names.ts';
import { configurationsIn } from './observations.ts';
import type { RetryState, Selection } from './retry-plan.ts';

/** The Configuration whose Job is run again, and where it is read. */
export interface RetryTarget extends Selection {
  readonly store: ApplyStore;
}

/** Reads the Configuration and the Jobs of its current action. */
export async function readState({ store, target, namespace }: RetryTarget): Promise<RetryState> {
  const configuration = readConfiguration(await store.configuration(target));
  if (configuration === undefined) return { configuration, applies: [], elsewhere: [], isPartial: false };
  const action = actionFor(configuration);
  const beside = store.jobsNamed(`${target.name}-${action}`, target.namespace);
  // With --controller-namespace, the Job has the uid of its Configuration, in a namespace that nothing names.
  const ofUid = store.jobsNamed(`${configuration.uid}-${action}`, namespace);
  const lists = await Promise.all(namespace === undefined ? [beside, orRefused(ofUid)] : [orRefused(beside), ofUid]);
  const found = lists
    .flatMap((jobs) => jobs ?? [])
    .flatMap((job) => applyOf(job) ?? [])
    .filter((apply) => belongsTo(apply, configuration));
  const isSelected = ({ job }: Apply) => namespace === undefined || job.namespace === namespace;
  return {
    configuration,
    applies: found.filter(isSelected),
    elsewhere: found.filter((apply) => !isSelected(apply)),
    isPartial: lists.includes(undefined),
  };
}

/** Like `readState`; `undefined` after a temporary failure, so that the next poll tries again. */
export async function readAgain(retryTarget: RetryTarget): Promise<RetryState | undefined> {
  try {
    return await readState(retryTarget);
  } catch (error) {
    if (error instanceof OperatorError && error.retryable) return undefined;
    throw error;
  }
}

/** Returns the Configurations that the user can have meant. */
export async function readNearNames({ store, target }: RetryTarget): Promise<readonly string[]> {
  const all = await orRefused(configurationsIn(store, undefined));
  const found = all ?? (await orRefused(configurationsIn(store, target.namespace))) ?? [];
  const names = found.map(({ namespace, name }) => `${namespace}/${name}`);
  return nearNames(`${target.namespace}/${target.name}`, names);
}
