import { endingOf, podEnding } from '../../terraform/ending.ts';
import { type Apply, actionFor, applyOf, belongsTo, type Configuration, readConfiguration } from './apply.ts';
import { type ApplyStore, orRefused } from './apply-store.ts';
import type { EndedApply, ReadApplies } from './report.ts';

/** Failed Jobs whose Pods are read at the same time. */
const READS = 8;

/**
 * Reads the failed and the running Jobs of a namespace, or of all namespaces if `namespace` is `undefined`. With
 * `--controller-namespace`, the Job of a Configuration is in another namespace. The result then has the Jobs in the
 * namespace and the Jobs of the Configurations in the namespace.
 */
export async function observe(store: ApplyStore, namespace: string | undefined): Promise<ReadApplies> {
  const found = await jobsIn(store, namespace);
  const own = namespace === undefined ? [] : await orRefused(configurationsIn(store, namespace));
  const away = (own ?? []).filter(isWithoutJob(found));
  const elsewhere = away.length > 0 ? await orRefused(jobsIn(store, undefined)) : [];
  const ofOwn = (elsewhere ?? []).filter((apply) => away.some((configuration) => belongsTo(apply, configuration)));
  const applies = [...found, ...ofOwn].filter(({ state }) => state !== 'succeeded');
  const isFound = (apply: Apply) => (own ?? []).some((configuration) => belongsTo(apply, configuration));
  const needsAll = applies.some((apply) => apply.of !== undefined && 'uid' in apply.of && !isFound(apply));
  const all = needsAll ? await orRefused(configurationsIn(store, undefined)) : [];
  return {
    namespace,
    ...(await withEndings(store, applies)),
    configurations: [...(own ?? []), ...(all ?? [])],
    areConfigurationsRefused: own === undefined || all === undefined,
    hidden: elsewhere === undefined ? away : [],
    isEveryJobKnown: own !== undefined && elsewhere !== undefined,
  };
}

async function jobsIn(store: ApplyStore, namespace: string | undefined): Promise<readonly Apply[]> {
  const found = new Map<string, Apply>();
  await store.jobs(namespace, (job) => {
    const apply = applyOf(job);
    if (apply) found.set(apply.job.uid, apply);
  });
  return [...found.values()];
}

export const configurationsIn = async (
  store: Pick<ApplyStore, 'configurations'>,
  namespace: string | undefined,
): Promise<readonly Configuration[]> =>
  (await store.configurations(namespace)).flatMap((stored) => readConfiguration(stored) ?? []);

/** Returns a check whether none of the Jobs is the current Job of a Configuration. */
const isWithoutJob =
  (found: readonly Apply[]) =>
  (configuration: Configuration): boolean =>
    !found.some((apply) => belongsTo(apply, configuration) && apply.of?.action === actionFor(configuration));

async function withEndings(
  store: Pick<ApplyStore, 'pods'>,
  applies: readonly Apply[],
): Promise<Pick<ReadApplies, 'applies' | 'arePodsRefused'>> {
  const pending = [...applies];
  const done: EndedApply[] = [];
  let arePodsRefused = false;
  async function work(): Promise<void> {
    for (let apply = pending.pop(); apply !== undefined; apply = pending.pop()) {
      const read = apply.state === 'failed' ? await readEnding(store, apply) : undefined;
      if (read?.isRefused) arePodsRefused = true;
      done.push({ ...apply, ending: read?.ending });
    }
  }
  await Promise.all(Array.from({ length: READS }, work));
  return { applies: done, arePodsRefused };
}

/** Reads how a failed Job ended. Without the right to list Pods, the ending is `unknown`. */
export async function readEnding(store: Pick<ApplyStore, 'pods'>, { job, status }: Apply) {
  if (job.manualSelector) return { ending: endingOf({ status }, undefined), isRefused: false };
  const pods = await orRefused(store.pods(job));
  return { ending: endingOf({ status }, pods?.map(podEnding)), isRefused: pods === undefined };
}
