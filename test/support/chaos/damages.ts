import assert from 'node:assert/strict';
import {
  ApiException,
  PatchStrategy,
  setHeaderOptions,
  type V1MutatingWebhook,
  type V1MutatingWebhookConfiguration,
} from '@kubernetes/client-node';
import { MANAGED_BY } from '../../../src/certs/secret-ownership.ts';
import { aCertificateSet, type CertificateSetFields } from '../builders/a-certificate-set.ts';
import { type Cluster, NAMESPACE, OWN, REGISTRATION, SECRET } from '../cluster/cluster.ts';
import { opensslAuthority } from '../cluster/openssl.ts';

const merge = setHeaderOptions('Content-Type', PatchStrategy.MergePatch);
const base64 = (text: string): string => Buffer.from(text).toString('base64');
const DAY_MS = 24 * 3_600_000;

/** A damage to the objects of the daemon. */
export interface Damage {
  readonly name: string;
  readonly inflict: (cluster: Cluster) => Promise<unknown>;
}

/** Damages of the Secret. They break no trust, so no Job must be affected. */
export const secretDamages: readonly Damage[] = [
  { name: 'deleted', inflict: ({ core }) => core.deleteNamespacedSecret({ namespace: NAMESPACE, name: SECRET }) },
  {
    name: 'emptied',
    inflict: (cluster) => writeData(cluster, { 'tls.crt': '', 'tls.key': '', 'ca.crt': '', 'ca.key': '' }),
  },
  {
    name: 'junk',
    inflict: (cluster) =>
      writeData(cluster, { 'tls.crt': 'junk', 'tls.key': 'junk', 'ca.crt': 'junk', 'ca.key': 'junk' }),
  },
  {
    name: 'serving key of another',
    inflict: async (cluster) =>
      writeData(cluster, { 'tls.key': (await aCertificateSet({ nth: 7 })).serving.privateKey }),
  },
  { name: 'CA key lost', inflict: (cluster) => writeData(cluster, { 'ca.key': '' }) },
  {
    name: 'for other names',
    inflict: (cluster) => writeSet(cluster, { options: { names: { dns: ['other.ops.svc'], ip: [] } } }),
  },
  {
    name: 'expired',
    inflict: (cluster) =>
      writeSet(cluster, {
        issuedAt: new Date(Date.now() - 30 * DAY_MS),
        options: { servingLifetimeMs: DAY_MS, caLifetimeMs: 2 * DAY_MS },
      }),
  },
  { name: 'future-dated', inflict: (cluster) => writeSet(cluster, { issuedAt: new Date(Date.now() + 30 * DAY_MS) }) },
  {
    name: 'healthy, but another one',
    inflict: (cluster) => writeSet(cluster, { issuedAt: new Date(Math.floor(Date.now() / 1000) * 1000) }),
  },
  // These two Secrets also lack the CA key. The daemon recreates an immutable Secret or a Secret of the wrong type only
  // when a write is due, and the missing key makes a write due.
  { name: 'immutable', inflict: (cluster) => patchSecret(cluster, { data: { 'ca.key': '' }, immutable: true }) },
  { name: 'of the wrong type', inflict: (cluster) => recreateOpaque(cluster) },
];

/** Damages of the CA bundle. They break trust until the repair, so the time to repair is measured. */
export const bundleDamages: readonly Damage[] = [
  { name: 'emptied', inflict: (cluster) => editEntry(cluster, ({ clientConfig }) => delete clientConfig.caBundle) },
  {
    name: 'garbage',
    inflict: (cluster) => editEntry(cluster, ({ clientConfig }) => (clientConfig.caBundle = base64('garbage'))),
  },
  {
    name: 'foreign',
    inflict: async (cluster) => {
      const { certificate } = await opensslAuthority('ec');
      return editEntry(cluster, ({ clientConfig }) => (clientConfig.caBundle = base64(certificate)));
    },
  },
];

export const entryDamages: readonly Damage[] = [
  { name: 'rules edited', inflict: (cluster) => editEntry(cluster, (entry) => (entry.rules = [])) },
  {
    name: 'path edited',
    inflict: (cluster) =>
      editEntry(cluster, ({ clientConfig }) => Object.assign(clientConfig.service ?? {}, { path: '/elsewhere' })),
  },
  { name: 'failurePolicy edited', inflict: (cluster) => editEntry(cluster, (entry) => (entry.failurePolicy = 'Fail')) },
  {
    name: 'a condition added',
    inflict: (cluster) =>
      editEntry(cluster, (entry) => entry.matchConditions?.push({ name: 'never', expression: 'false' })),
  },
  { name: 'entry removed', inflict: (cluster) => edit(cluster, (live) => (live.webhooks = [])) },
  { name: 'deleted', inflict: ({ admission }) => admission.deleteMutatingWebhookConfiguration({ name: REGISTRATION }) },
];

/** Returns the webhook entry of the daemon. */
export const entryOf = (live: V1MutatingWebhookConfiguration | undefined) =>
  live?.webhooks?.find(({ name }) => name === OWN);

/** Edits the registration. Reads it again if a replica has written in between. */
export async function edit(cluster: Cluster, change: (live: V1MutatingWebhookConfiguration) => unknown): Promise<void> {
  const live = await cluster.admission.readMutatingWebhookConfiguration({ name: REGISTRATION });
  change(live);
  try {
    await cluster.admission.replaceMutatingWebhookConfiguration({ name: REGISTRATION, body: live });
  } catch (error) {
    if (!(error instanceof ApiException && error.code === 409)) throw error;
    await edit(cluster, change);
  }
}

const editEntry = (cluster: Cluster, change: (entry: V1MutatingWebhook) => unknown): Promise<void> =>
  edit(cluster, (live) => {
    const entry = entryOf(live);
    assert.ok(entry);
    change(entry);
  });

const patchSecret = ({ core }: Cluster, body: object) =>
  core.patchNamespacedSecret({ namespace: NAMESPACE, name: SECRET, body }, merge);

const writeData = (cluster: Cluster, texts: Readonly<Record<string, string>>) =>
  patchSecret(cluster, { data: Object.fromEntries(Object.entries(texts).map(([key, text]) => [key, base64(text)])) });

/** Writes a different, valid certificate set into the Secret. */
async function writeSet(cluster: Cluster, fields: CertificateSetFields) {
  const { ca, serving, caBundle } = await aCertificateSet(fields);
  return writeData(cluster, {
    'ca.crt': caBundle,
    'ca.key': ca.privateKey,
    'tls.crt': serving.certificate,
    'tls.key': serving.privateKey,
  });
}

async function recreateOpaque({ core }: Cluster): Promise<void> {
  const namespace = NAMESPACE;
  const { data } = await core.readNamespacedSecret({ namespace, name: SECRET });
  const create = () =>
    core.createNamespacedSecret({
      namespace,
      body: { type: 'Opaque', metadata: { name: SECRET, labels: MANAGED_BY }, data: { ...data, 'ca.key': '' } },
    });
  // Deletion and creation are repeated, because a replica can create the Secret between them.
  for (let isCreated = false; !isCreated; ) {
    await core.deleteNamespacedSecret({ namespace, name: SECRET });
    isCreated = await create().then(
      () => true,
      () => false,
    );
  }
}
