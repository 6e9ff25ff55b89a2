import assert from 'node:assert/strict';
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { describe, type TestContext, test } from 'node:test';
import {
  PatchStrategy,
  setHeaderOptions,
  type V1MutatingWebhook,
  type V1MutatingWebhookConfiguration,
  type V1Secret,
} from '@kubernetes/client-node';
import { MANAGED_BY } from '../../src/certs/secret.ts';
import { aCertificateSet, type CertificateSetFields } from '../support/a-certificate-set.ts';
import { type Cluster, NAMESPACE, REGISTRATION, SECRET, SERVER_NAME } from '../support/cluster.ts';
import type { LifecycleRow } from '../support/lifecycle-table.ts';
import { opensslAuthority } from '../support/openssl.ts';
import type { Moment } from '../support/timeline.ts';
import { OWN, play, type Stage, startStage } from './stage.ts';

/** From the moment the API server has stored the damage to the moment it has stored the repair. */
const BUNDLE_MS = 200;
const REGISTRATION_MS = 500;
const SECRET_MS = 2_000;

const merge = setHeaderOptions('Content-Type', PatchStrategy.MergePatch);
const base64 = (text: string): string => Buffer.from(text).toString('base64');
const DAY_MS = 24 * 3_600_000;

interface Damage {
  readonly name: string;
  readonly inflict: (cluster: Cluster) => Promise<unknown>;
}

/** Damage to the Secret cuts no trust: no Job may notice. */
const secretDamages: readonly Damage[] = [
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
  { name: 'immutable', inflict: (cluster) => patchSecret(cluster, { immutable: true }) },
  { name: 'of the wrong type', inflict: (cluster) => recreateOpaque(cluster) },
];

/** Damage to the CA bundle cuts the trust: how long that lasts is what counts. */
const bundleDamages: readonly Damage[] = [
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

const entryDamages: readonly Damage[] = [
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

export function repairs(cluster: () => Cluster, add: (row: LifecycleRow) => LifecycleRow): void {
  describe('damage to the Secret, with three replicas', () => {
    test('is mended before anything else notices', async (t) => {
      const stage = await startStage(cluster(), t, { replicas: 3 });
      for (const { name, inflict } of secretDamages) {
        const isHealed = ({ secret }: Moment) => isSound(secret);
        const row = await damage(stage, t, { scenario: `Secret ${name}`, inflict, isHealed });
        add(row);
        assert.deepEqual([row.scenario, row.lost, row.unmutated], [row.scenario, 0, 0]);
        assert.ok(row.healedMs <= SECRET_MS, `${row.scenario}: ${row.healedMs} ms`);
      }
    });
  });

  describe('damage to the registration, with three replicas', () => {
    test('is mended within its bounds, and no Job is lost', async (t) => {
      const stage = await startStage(cluster(), t, { replicas: 3 });
      const wanted = entryOf(stage.timeline.moments().at(-1)?.registration);
      const isHealed = ({ registration }: Moment) => JSON.stringify(entryOf(registration)) === JSON.stringify(wanted);
      for (const { name, inflict } of bundleDamages) {
        const row = await damage(stage, t, { scenario: `caBundle ${name}`, inflict, isHealed });
        add(row);
        assert.deepEqual([row.scenario, row.lost], [row.scenario, 0]);
        assert.ok(row.healedMs <= BUNDLE_MS, `${row.scenario}: ${row.healedMs} ms`);
      }
      for (const { name, inflict } of entryDamages) {
        const row = await damage(stage, t, { scenario: `registration ${name}`, inflict, isHealed });
        add(row);
        assert.deepEqual([row.scenario, row.lost], [row.scenario, 0]);
        assert.ok(row.healedMs <= REGISTRATION_MS, `${row.scenario}: ${row.healedMs} ms`);
      }
    });

    test('leaves what others have added, an entry and selectors of ours', async (t) => {
      const stage = await startStage(cluster(), t, { replicas: 3 });
      const selector = { matchExpressions: [{ key: 'control-plane', operator: 'DoesNotExist' }] };
      const inflict = (one: Cluster) =>
        edit(one, (live) => {
          const own = entryOf(live);
          live.webhooks?.unshift({ ...structuredClone(own), name: 'other.example.com' } as V1MutatingWebhook);
          Object.assign(own ?? {}, { namespaceSelector: selector, timeoutSeconds: 29 });
        });
      const isHealed = ({ registration }: Moment) => entryOf(registration)?.timeoutSeconds === 5;
      const row = await damage(stage, t, { scenario: 'a foreign entry and a selector', inflict, isHealed });
      add(row);
      assert.deepEqual([row.lost, row.unmutated], [0, 0]);
      const live = await cluster().registration();
      assert.deepEqual(
        live?.webhooks?.map(({ name }) => name),
        ['other.example.com', OWN],
      );
      assert.deepEqual(JSON.parse(JSON.stringify(entryOf(live)?.namespaceSelector)), selector);
    });
  });
}

/** Whether an endpoint could live on what the Secret holds. */
function isSound(secret: V1Secret | undefined): boolean {
  const text = (key: string) => Buffer.from(secret?.data?.[key] ?? '', 'base64').toString();
  if (secret?.type !== 'kubernetes.io/tls' || secret.immutable) return false;
  try {
    const [serving, ca] = [new X509Certificate(text('tls.crt')), new X509Certificate(text('ca.crt'))];
    const now = new Date();
    return (
      serving.checkPrivateKey(createPrivateKey(text('tls.key'))) &&
      ca.checkPrivateKey(createPrivateKey(text('ca.key'))) &&
      serving.verify(ca.publicKey) &&
      serving.checkHost(SERVER_NAME) !== undefined &&
      [serving, ca].every(({ validFromDate, validToDate }) => validFromDate <= now && now < validToDate)
    );
  } catch {
    return false;
  }
}

const damage = (
  stage: Stage,
  t: TestContext,
  {
    scenario,
    inflict,
    isHealed,
  }: { scenario: string; inflict: Damage['inflict']; isHealed: (moment: Moment) => boolean },
): Promise<LifecycleRow> => {
  const { cluster } = stage;
  return play(stage, t, {
    scenario,
    act: async () => {
      await inflict(cluster);
      return new Date();
    },
    isHealed,
  });
};

const entryOf = (live: V1MutatingWebhookConfiguration | undefined) => live?.webhooks?.find(({ name }) => name === OWN);

async function edit({ admission }: Cluster, change: (live: V1MutatingWebhookConfiguration) => unknown): Promise<void> {
  const live = await admission.readMutatingWebhookConfiguration({ name: REGISTRATION });
  change(live);
  await admission.replaceMutatingWebhookConfiguration({ name: REGISTRATION, body: live });
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

/** A whole set that is sound in itself. */
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
      body: { type: 'Opaque', metadata: { name: SECRET, labels: MANAGED_BY }, ...(data ? { data } : {}) },
    });
  // A replica may be faster with a Secret of its own: then the next try is.
  for (let isCreated = false; !isCreated; ) {
    await core.deleteNamespacedSecret({ namespace, name: SECRET });
    isCreated = await create().then(
      () => true,
      () => false,
    );
  }
}
