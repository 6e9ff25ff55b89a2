import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { V1MutatingWebhookConfiguration } from '@kubernetes/client-node';
import { phaseKey } from '../../../src/certs/ca-rotation.ts';
import { createCertificateLogic } from '../../../src/certs/certificate-logic.ts';
import { issueServingCertificate } from '../../../src/certs/issue.ts';
import type { StoredSecret } from '../../../src/certs/secret.ts';
import { PAUSED } from '../../../src/certs/secret-annotations.ts';
import { readConfig } from '../../../src/cli/config.ts';
import { OperatorError } from '../../../src/lib/errors.ts';
import { joinCertificates, type Pem } from '../../../src/lib/pem.ts';
import { limit } from '../../../src/operator/limit.ts';
import { initialMemory, type Memory } from '../../../src/operator/memory.ts';
import type { Observed } from '../../../src/operator/observe.ts';
import { createDecide, type Plan } from '../../../src/operator/plan.ts';
import { matchConditions } from '../../../src/policy/cel.ts';
import { terraformPolicy } from '../../../src/policy/policy.ts';
import { desiredRegistration, ownWebhook } from '../../../src/registration/desired.ts';
import { aCertificateSet, certificateOptions, ISSUED_AT, stored } from '../../support/builders/a-certificate-set.ts';

const set = await aCertificateSet();
const other = await aCertificateSet({ nth: 2 });
const config = { ...readConfig({}), certificates: certificateOptions() };
/** As another issuer writes it: a CA that can sign for any name, and no key of it. */
const unconstrained = await aCertificateSet({ nth: 3, options: { names: { dns: ['other.ops.svc'], ip: [] } } });
const foreign = {
  ...unconstrained,
  ca: { ...unconstrained.ca, privateKey: '' as Pem },
  serving: await issueServingCertificate(certificateOptions(), unconstrained.ca, ISSUED_AT),
};
const decide = createDecide(config, createCertificateLogic(config.certificates));
const after = (days: number): Date => new Date(ISSUED_AT.getTime() + days * 24 * 3_600_000);
const unavailable = new OperatorError('KUBE_UNAVAILABLE', 'away');

/** As the daemon publishes it, then changed. */
function registration(caBundle: Pem, change: (live: V1MutatingWebhookConfiguration) => void = () => {}) {
  const live = structuredClone(
    desiredRegistration(config.registration, { caBundle, matchConditions: matchConditions(terraformPolicy) }),
  ) as V1MutatingWebhookConfiguration;
  change(live);
  return live;
}

const healthy: Observed = {
  phase: 'running',
  isLeaseHolder: true,
  now: ISSUED_AT,
  uptimeMs: 0,
  registration: { value: registration(set.caBundle) },
  certificates: { value: { stored: stored(set) } },
  policy: terraformPolicy,
};
const certificates = {
  serving: set.serving,
  caBundle: set.caBundle,
  own: set.caBundle,
  waiting: undefined,
  until: undefined,
};
const settled: Memory = {
  ...initialMemory(undefined),
  presented: set.serving.certificate,
  liveBundle: set.caBundle,
  lastGood: certificates,
};
const secret = (secret: StoredSecret | undefined): Partial<Observed> => ({
  certificates: { value: { stored: secret } },
});
const live = (value: V1MutatingWebhookConfiguration | undefined): Partial<Observed> => ({ registration: { value } });
const junk = stored({ ...set, serving: { ...set.serving, privateKey: 'junk' as Pem } });
const both = joinCertificates([set.caBundle, other.caBundle]);

/** The Secret after its CA was replaced, while the new CA waits for every API server to know it. */
const replaced = secret(
  stored({
    ...other,
    caBundle: joinCertificates([other.caBundle, set.caBundle]),
    phase: 'publishing',
    phaseSince: ISSUED_AT,
  }),
);

interface Row {
  readonly observed?: Partial<Observed>;
  readonly memory?: Partial<Memory>;
  /** The reasons for Secret, registration and presentation; `+` where a step is planned. */
  readonly plan: readonly [secret: string, registration: string, presentation: string];
  readonly failure?: string;
}

const rows: Readonly<Record<string, Row>> = {
  'plans nothing if all is well': { plan: ['keep', 'unchanged', 'already'] },
  'presents a good certificate first, at a start': {
    observed: { phase: 'starting' },
    memory: { presented: undefined, lastGood: undefined },
    plan: ['keep', 'unchanged', '+present'],
  },
  'presents a certificate that is due first, at a start, and renews it': {
    observed: { phase: 'starting', now: after(60) },
    memory: { presented: undefined, lastGood: undefined },
    plan: ['+due', 'unchanged', '+present'],
  },
  'issues a Secret before anything else, at the first start': {
    observed: { phase: 'starting', ...secret(undefined), ...live(undefined) },
    memory: { presented: undefined, lastGood: undefined },
    plan: ['+absent', 'no-certificates', 'no-certificates'],
  },
  'does not renew for a restart while the daemon starts': {
    observed: { phase: 'starting', now: after(1) },
    memory: { restartedAt: after(1) },
    plan: ['keep', 'unchanged', 'already'],
  },
  'does not renew for a restart before the spec is published': {
    observed: { phase: 'serving', now: after(1) },
    memory: { restartedAt: after(1) },
    plan: ['keep', 'unchanged', 'already'],
  },
  'renews for a restart once the daemon runs': {
    observed: { now: after(1) },
    memory: { restartedAt: after(1) },
    plan: ['+restart', 'unchanged', 'already'],
  },
  'creates a missing registration without the Lease': {
    observed: { isLeaseHolder: false, ...live(undefined) },
    plan: ['keep', '+no-registration', 'already'],
  },
  'restores a missing entry without the Lease': {
    observed: { isLeaseHolder: false, ...live(registration(set.caBundle, (one) => (one.webhooks = []))) },
    plan: ['keep', '+entry-removed', 'already'],
  },
  'publishes its spec with the Lease': {
    observed: live(registration(set.caBundle, (one) => Object.assign(ownWebhook(one) ?? {}, { timeoutSeconds: 9 }))),
    plan: ['keep', '+drift', 'already'],
  },
  'leaves the spec to the holder without the Lease': {
    observed: {
      isLeaseHolder: false,
      ...live(registration(set.caBundle, (one) => Object.assign(ownWebhook(one) ?? {}, { timeoutSeconds: 9 }))),
    },
    plan: ['keep', 'unchanged', 'already'],
  },
  'repairs the CA bundle without the Lease': {
    observed: { isLeaseHolder: false, ...live(registration(other.caBundle)) },
    plan: ['keep', '+ca-bundle', 'already'],
  },
  'swaps to a certificate that the live bundle verifies': {
    observed: { ...secret(stored(other)), ...live(registration(both)) },
    plan: ['+swapped', 'unchanged', '+present'],
  },
  'does not swap to a certificate that the live bundle does not verify': {
    observed: { phase: 'starting', ...secret(stored(other)) },
    plan: ['keep', '+ca-bundle', 'not-trusted-yet'],
  },
  'swaps at once at a start, because no API server is sent to this replica': {
    observed: { phase: 'starting', ...replaced, ...live(registration(both)) },
    plan: ['+settle', 'unchanged', '+present'],
  },
  'waits for the settle time before the spec is published, because API servers are sent to this replica': {
    observed: { phase: 'serving', ...replaced, ...live(registration(both)) },
    plan: ['+settle', 'unchanged', 'settling'],
  },
  'goes by the last good certificates if the Secret cannot be read': {
    observed: { certificates: { error: unavailable }, ...live(registration(other.caBundle)) },
    plan: ['unread', '+ca-bundle', 'already'],
    failure: 'KUBE_UNAVAILABLE',
  },
  'goes by the last good certificates if the Secret holds no usable ones': {
    observed: { ...secret(junk), ...live(undefined) },
    plan: ['+unparsable', '+no-registration', 'already'],
  },
  'plans nothing if the registration cannot be read': {
    observed: { registration: { error: unavailable }, ...secret(undefined) },
    plan: ['unread', 'unread', 'unread'],
    failure: 'KUBE_UNAVAILABLE',
  },
  'uses a foreign Secret, and does not write it': {
    observed: { now: after(60), ...secret(stored(set, { labels: {} })) },
    plan: ['due', 'unchanged', 'already'],
    failure: 'SECRET_NOT_OURS',
  },
  'neither publishes nor presents the pair of another issuer in a foreign Secret': {
    observed: secret(stored(foreign, { labels: {} })),
    plan: ['ca-lost', 'unchanged', 'already'],
    failure: 'SECRET_NOT_OURS',
  },
  'neither publishes nor presents the pair of another issuer in a foreign Secret at a start': {
    observed: { phase: 'starting', ...secret(stored(foreign, { labels: {} })), ...live(undefined) },
    memory: { presented: undefined, lastGood: undefined },
    plan: ['ca-lost', 'no-certificates', 'no-certificates'],
    failure: 'SECRET_NOT_OURS',
  },
  'neither publishes nor presents the pair of another issuer before the Secret is written': {
    observed: secret(stored(foreign)),
    plan: ['+ca-lost', 'unchanged', 'already'],
  },
  'neither publishes nor presents the pair of another issuer at a start before the Secret is written': {
    observed: { phase: 'starting', ...secret(stored(foreign)), ...live(undefined) },
    memory: { presented: undefined, lastGood: undefined },
    plan: ['+ca-lost', 'no-certificates', 'no-certificates'],
  },
  'does not publish a foreign CA in the bundle before the Secret is written': {
    observed: secret(stored({ ...set, caBundle: joinCertificates([set.caBundle, unconstrained.caBundle]) })),
    plan: ['+foreign-ca', 'unchanged', 'already'],
  },
  'does not publish a foreign CA in the bundle before a serving certificate that is due is renewed': {
    observed: {
      now: after(60),
      ...secret(stored({ ...set, caBundle: joinCertificates([set.caBundle, unconstrained.caBundle]) })),
    },
    plan: ['+due', 'unchanged', 'already'],
  },
  'publishes what the Secret holds while its repair is delayed': {
    observed: secret(stored(foreign)),
    memory: { repairs: { secret: { repairs: 99, lastAt: ISSUED_AT }, registration: undefined } },
    plan: ['+ca-lost', '+ca-bundle', 'not-trusted-yet'],
  },
  'publishes what the Secret holds while writes to the Secret are paused': {
    observed: secret(stored(foreign, { annotations: { [PAUSED]: 'true' } })),
    plan: ['+ca-lost', '+ca-bundle', 'not-trusted-yet'],
  },
  'goes by files where they are provided': {
    observed: { certificates: { value: { files: { serving: other.serving, caBundle: both } } } },
    plan: ['files', '+ca-bundle', 'not-trusted-yet'],
  },
};

function planOf({ observed, memory }: Pick<Row, 'observed' | 'memory'>): Plan {
  return decide({ ...healthy, ...observed }, { ...settled, ...memory });
}

describe('a plan', () => {
  for (const [what, { plan: expected, failure, ...row }] of Object.entries(rows)) {
    test(what, () => {
      const plan = planOf(row);
      const words = [plan.secret, plan.registration, plan.presentation].map(
        ({ step, reason }) => `${step === undefined ? '' : '+'}${reason}`,
      );
      assert.deepEqual([words, plan.failure?.code], [expected, failure]);
    });
  }

  test('keeps the CAs of the live bundle that others may need, while the Secret is not as it should be', () => {
    const { certificates } = planOf({ observed: { ...secret(junk), ...live(registration(both)) } });
    assert.equal(certificates?.caBundle, both);
  });

  test('waits for the settle time by the clock of this process as well', () => {
    const settling = { ...set, nextCa: other.ca, caBundle: both, phase: 'settling', phaseSince: ISSUED_AT } as const;
    const now = new Date(ISSUED_AT.getTime() + config.certificates.settleMs);
    const observed = { now, uptimeMs: 90_000, ...secret(stored(settling)), ...live(registration(both)) };
    const seenSince = (sinceMs: number) => ({ phaseSeen: { key: phaseKey(settling), sinceMs } });
    assert.equal(planOf({ observed }).secret.reason, 'keep');
    assert.equal(planOf({ observed, memory: seenSince(60_000) }).secret.reason, 'keep');
    assert.equal(planOf({ observed, memory: seenSince(0) }).secret.reason, 'switch');
  });

  test('calls a difference from what this replica has published a repair, and no other one', () => {
    const observed = live(registration(other.caBundle));
    const { registration: first } = planOf({ observed });
    assert.equal(first.isRepair, false);
    const memory = { published: { whole: first.fingerprint } };
    assert.equal(planOf({ observed, memory }).registration.isRepair, true);
    assert.equal(planOf({ observed: { ...observed, isLeaseHolder: false }, memory }).registration.isRepair, false);
  });
});

describe('the limit of a plan', () => {
  const repaired = (repairs: number) => ({ repairs, lastAt: ISSUED_AT });
  const paused = stored(set, { annotations: { ...stored(set).annotations, [PAUSED]: 'true' } });
  const broken = live(registration(other.caBundle));
  const published = { whole: planOf({ observed: broken }).registration.fingerprint };
  const limited = (row: Pick<Row, 'observed' | 'memory'>) =>
    limit(planOf(row), { ...settled, ...row.memory }, 'vela-system/certificates');

  const table: Readonly<Record<string, [Pick<Row, 'observed' | 'memory'>, secret: unknown, registration: unknown]>> = {
    'holds nothing where nothing is planned': [
      { memory: { repairs: { secret: repaired(99), registration: repaired(99) } } },
      undefined,
      undefined,
    ],
    'lets a repair through at first': [
      { observed: broken, memory: { published, repairs: { secret: undefined, registration: repaired(19) } } },
      undefined,
      undefined,
    ],
    'delays a repair that is reverted again and again': [
      { observed: broken, memory: { published, repairs: { secret: undefined, registration: repaired(20) } } },
      undefined,
      { by: 'conflict', delayMs: 1_000 },
    ],
    'counts each object for itself': [
      { observed: broken, memory: { published, repairs: { secret: repaired(99), registration: undefined } } },
      undefined,
      undefined,
    ],
    'delays no step that time brings': [
      { observed: { now: after(60) }, memory: { repairs: { secret: repaired(99), registration: undefined } } },
      undefined,
      undefined,
    ],
    'holds all writes while they are paused': [
      { observed: { ...secret(paused), now: after(60), ...broken } },
      { by: 'paused' },
      { by: 'paused' },
    ],
  };
  for (const [what, [row, ofSecret, ofRegistration]] of Object.entries(table)) {
    test(what, () => {
      const { held } = limited(row);
      assert.deepEqual([held.secret, held.registration], [ofSecret, ofRegistration]);
    });
  }

  test('fails where nothing that is stored can be presented, and the step is held', () => {
    const repairs = { secret: repaired(99), registration: undefined };
    assert.equal(limited({ observed: secret(junk), memory: { repairs } }).failure?.code, 'WRITES_PAUSED');
    assert.equal(limited({ observed: secret(junk) }).failure, undefined);
  });

  test('never delays what is presented', () => {
    const observed = { ...secret(stored(other)), ...live(registration(both)) };
    const repairs = { secret: repaired(99), registration: repaired(99) };
    assert.notEqual(limited({ observed, memory: { repairs } }).presentation.step, undefined);
  });
});
