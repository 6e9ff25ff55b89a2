import { setTimeout as delay } from 'node:timers/promises';
import { PatchStrategy, setHeaderOptions } from '@kubernetes/client-node';
import { bundleDamages, type Damage, entryDamages, secretDamages } from '../support/chaos/damages.ts';
import { type Cluster, NAMESPACE, SECRET } from '../support/cluster/cluster.ts';
import { eventually } from '../support/eventually.ts';
import type { Sight } from './sight.ts';
import { type Repair, SLACK_MS, type Stage } from './stage.ts';

const REPAIR_PATIENCE_MS = 120_000;
const DOUBT_MS = 5_000;

export const registrationDamages: readonly Damage[] = [
  ...bundleDamages.map(({ name, inflict }) => ({ name: `caBundle ${name}`, inflict })),
  ...entryDamages,
];

export async function damageSecret(stage: Stage, name: string): Promise<void> {
  const damage = secretDamages.find((one) => one.name === name) as Damage;
  await somewhere(stage, (cluster) => damage.inflict(cluster));
}

export async function damageRegistration(stage: Stage, repairs: Repair[], name: string): Promise<void> {
  const damage = registrationDamages.find((one) => one.name === name) as Damage;
  const closes = stage.sights.map((_, nth) => stage.windows.open('trust-cut', nth));
  let repairedAt: Date | undefined;
  let inflictedAt: Date | undefined;
  try {
    const before = await somewhere(stage, versionOf);
    const failure = await somewhere(stage, (cluster) => damage.inflict(cluster)).then(
      () => undefined,
      (error: unknown) => new Error(`${name}: ${error}`),
    );
    if (failure !== undefined) {
      // A write whose response was an error can still have been stored, so the test waits before it goes on.
      await delay(DOUBT_MS);
      throw failure;
    }
    inflictedAt = new Date();
    const untilRepaired = async (sight: Sight, nth: number) => {
      await eventually(() => assertRepaired(sight, before, name), { withinMs: REPAIR_PATIENCE_MS });
      repairedAt ??= new Date();
      await delay(SLACK_MS);
      closes[nth]?.();
    };
    await Promise.all(stage.sights.map(untilRepaired));
  } finally {
    for (const close of closes) close();
    if (inflictedAt !== undefined) repairs.push({ damage: name, inflictedAt, repairedAt });
  }
}

function assertRepaired(sight: Sight, before: bigint, damage: string): void {
  const seen = sight.latest();
  if (!seen?.isIntact || seen.resourceVersion <= before) throw new Error(`${damage}: not repaired in time`);
}

const versionOf = async (cluster: Cluster): Promise<bigint> =>
  BigInt((await cluster.registration())?.metadata?.resourceVersion ?? 0);

export async function askForRotation(stage: Stage, part: 'ca' | 'serving'): Promise<void> {
  const body = { metadata: { annotations: { 'terraform.job.kb.io/rotate': part } } };
  const options = setHeaderOptions('Content-Type', PatchStrategy.MergePatch);
  const secret = { namespace: NAMESPACE, name: SECRET };
  await somewhere(stage, ({ core }) => core.patchNamespacedSecret({ ...secret, body }, options));
}

/**
 * Calls the first API server that is not affected by a fault in progress. The call has no timeout, because the API
 * server can still execute a call after the client gives it up.
 */
async function somewhere<T>({ clusters, windows }: Stage, act: (cluster: Cluster) => Promise<T>): Promise<T> {
  const isWell = (nth: number) =>
    windows
      .all()
      .every(
        ({ trouble, target, to }) =>
          to !== undefined || !(trouble === 'etcd' || (trouble === 'api-server' && target === nth)),
      );
  const well = await eventually(
    () => {
      const found = clusters.find((_, nth) => isWell(nth));
      if (found === undefined) throw new Error('no API server is well');
      return found;
    },
    { withinMs: 60_000 },
  );
  return act(well);
}
