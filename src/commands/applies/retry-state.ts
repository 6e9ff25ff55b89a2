import { OperatorError } from '../../lib/errors.ts';
import { actionFor, applyOf, belongsTo, readConfiguration } from './apply.ts';
import { type ApplyStore, orRefused } from './apply-store.ts';
import { nearNames } from './near-names.ts';
import { configurationsIn } from './observations.ts';
import type { RetryState } from './retry-plan.ts';
import type { Target } from './target.ts';

/** The Configuration whose Job is run again, and where its Job is. */
export interface RetryTarget {
  readonly store: ApplyStore;
  readonly target: Target;
  /** The namespace of the Job; `undefined` to find it. */
  readonly namespace: string | undefined;
}

/** Reads the Configuration and the Jobs of its current action. */
export async function readState({ store, target, namespace }: RetryTarget): Promise<RetryState> {
  const configuration = readConfiguration(await store.configuration(target));
  if (configuration === undefined) return { configuration, applies: [], isPartial: false };
  const action = actionFor(configuration);
  const [beside, ofUid] = await Promise.all([
    store.jobsNamed(`${target.name}-${action}`, namespace ?? target.namespace),
    // With --controller-namespace, the Job has the uid of its Configuration, in a namespace that nothing names.
    orRefused(store.jobsNamed(`${configuration.uid}-${action}`, namespace)),
  ]);
  const applies = [...beside, ...(ofUid ?? [])]
    .flatMap((job) => applyOf(job) ?? [])
    .filter((apply) => belongsTo(apply, configuration));
  return { configuration, applies, isPartial: ofUid === undefined };
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
