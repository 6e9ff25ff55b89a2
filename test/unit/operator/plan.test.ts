import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { V1MutatingWebhookConfiguration } from '@kubernetes/client-node';
import { phaseKey } from '../../../src/certs/ca-rotation.ts';
import { createCertificateLogic } from '../../../src/certs/certificate-logic.ts';
import type { Phase } from '../../../src/certs/certificate-set.ts';
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
/** A Secret of another issuer: a CA without name constraints, and no private key of the CA. */
const unconstrained = await aCertificateSet({ nth: 3, options: { names: { dns: ['other.ops.svc'], ip: [] } } });
const foreign = {
  ...unconstrained,
  ca: { ...unconstrained.ca, privateKey: '' as Pem },
  serving: await issueServingCertificate(certificateOptions(), unconstrained.ca, ISSUED_AT),
};
const decide = createDecide(config, createCertificateLogic(config.certificates));
const after = (days: number): Date => new Date(ISSUED_AT.getTime() + days * 24 * 3_600_000);
const unavailable = new OperatorError('KUBE_UNAVAILABLE', 'away');

/** Returns the registration that the daemon publishes, changed by `change`. */
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

/** The Secret with the CA `other` as the current one, and the CA of `set` in its CA bundle. */
const rotatedTo = (phase: Phase) =>
  secret(
    stored({ ...other, caBundle: joinCertificates([other.caBundle, set.caBundle]), phase, phaseSince: ISSUED_AT }),
  );
/** The Secret after its CA was replaced, during the settle time of the new CA. */
const replaced = rotatedTo('publishing');
/** The Secret after the CA `other` has become the current one. */
const switched = rotatedTo('retiring');

interface Row {
  readonly observed?: Partial<Observed>;
  readonly memory?: Partial<Memory>;
  /**
   * The reasons in the plan: for the Secret, for the registration, and for presenting a certificate. `+` before a
   * reason means that the plan contains a step for it.
   */
  readonly plan: readonly [secret: string, registration: string, presentation: string];
  readonly failure?: string;
}

const rows: Readonly<Record<string, Row>> = {
  'has no step if nothing differs and nothing is due': { plan: ['keep', 'unchanged', 'already'] },
  'presents a valid stored certificate at the start, before any write': {
    observed: { phase: 'starting' },
    memory: { presented: undefined, lastGood: undefined },
    plan: ['keep', 'unchanged', '+present'],
  },
  'presents a stored certificate at the start even if its renewal is due, and renews it': {
    observed: { phase: 'starting', now: after(60) },
    memory: { presented: undefined, lastGood: undefined },
    plan: ['+due', 'unchanged', '+present'],
  },
  'has only a step for the Secret at the first start of an install': {
    observed: { phase: 'starting', ...secret(undefined), ...live(undefined) },
    memory: { presented: undefined, lastGood: undefined },
    plan: ['+absent', 'no-certificates', 'no-certificates'],
  },
  'does not renew the certificate for --rotate-on-start in the phase starting': {
    observed: { phase: 'starting', now: after(1) },
    memory: { restartedAt: after(1) },
    plan: ['keep', 'unchanged', 'already'],
  },
  'does not renew the certificate for --rotate-on-start in the phase serving': {
    observed: { phase: 'serving', now: after(1) },
    memory: { restartedAt: after(1) },
    plan: ['keep', 'unchanged', 'already'],
  },
  'renews the certificate for --rotate-on-start in the phase running': {
    observed: { now: after(1) },
    memory: { restartedAt: after(1) },
    plan: ['+restart', 'unchanged', 'already'],
  },
  'creates a missing registration even without the Lease': {
    observed: { isLeaseHolder: false, ...live(undefined) },
    plan: ['keep', '+no-registration', 'already'],
  },
  'restores a missing webhook entry even without the Lease': {
    observed: { isLeaseHolder: false, ...live(registration(set.caBundle, (one) => (one.webhooks = []))) },
    plan: ['keep', '+entry-removed', 'already'],
  },
  'publishes the webhook spec of this replica if it holds the Lease': {
    observed: live(registration(set.caBundle, (one) => Object.assign(ownWebhook(one) ?? {}, { timeoutSeconds: 9 }))),
    plan: ['keep', '+drift', 'already'],
  },
  'leaves the webhook spec to the Lease holder': {
    observed: {
      isLeaseHolder: false,
      ...live(registration(set.caBundle, (one) => Object.assign(ownWebhook(one) ?? {}, { timeoutSeconds: 9 }))),
    },
    plan: ['keep', 'unchanged', 'already'],
  },
  'repairs the CA bundle even without the Lease': {
    observed: { isLeaseHolder: false, ...live(registration(other.caBundle)) },
    plan: ['keep', '+ca-bundle', 'already'],
  },
  'presents a new certificate if the live CA bundle verifies it': {
    observed: { ...switched, ...live(registration(both)) },
    plan: ['keep', 'unchanged', '+present'],
  },
  'keeps its certificate in the pass that adopts the certificates of another writer, which API servers may not trust yet':
    {
      observed: { ...secret(stored(other)), ...live(registration(both)) },
      plan: ['+swapped', 'unchanged', 'settling'],
    },
  'does not present a new certificate if the live CA bundle does not verify it': {
    observed: { phase: 'starting', ...secret(stored(other)) },
    plan: ['keep', '+ca-bundle', 'not-trusted-yet'],
  },
  'presents a new certificate at the start without the settle time, because no API server calls this replica': {
    observed: { phase: 'starting', ...replaced, ...live(registration(both)) },
    plan: ['+settle', 'unchanged', '+present'],
  },
  'waits for the settle time before it presents a new certificate in the phase serving': {
    observed: { phase: 'serving', ...replaced, ...live(registration(both)) },
    plan: ['+settle', 'unchanged', 'settling'],
  },
  'keeps its certificate if the Secret cannot be read, because API servers may not trust the CA in memory yet': {
    observed: { certificates: { error: unavailable }, ...live(registration(both)) },
    memory: { lastGood: { ...certificates, serving: other.serving, caBundle: both } },
    plan: ['unread', 'unchanged', 'unread'],
    failure: 'KUBE_UNAVAILABLE',
  },
  'uses the last valid certificates if the Secret cannot be read': {
    observed: { certificates: { error: unavailable }, ...live(registration(other.caBundle)) },
    plan: ['unread', '+ca-bundle', 'already'],
    failure: 'KUBE_UNAVAILABLE',
  },
  'uses the last valid certificates if the Secret holds no usable certificates': {
    observed: { ...secret(junk), ...live(undefined) },
    plan: ['+unparsable', '+no-registration', 'already'],
  },
  'has no step if the registration cannot be read': {
    observed: { registration: { error: unavailable }, ...secret(undefined) },
    plan: ['unread', 'unread', 'unread'],
    failure: 'KUBE_UNAVAILABLE',
  },
  'renews the certificate in a Secret with another label if API servers trust the certificate': {
    observed: { now: after(60), ...secret(stored(set, { labels: {} })) },
    plan: ['+due', 'unchanged', 'already'],
  },
  'does not renew the certificate in a Secret with another label if API servers do not trust the certificate': {
    observed: { now: after(60), ...secret(stored(set, { labels: {} })), ...live(registration(other.caBundle)) },
    plan: ['due', '+ca-bundle', 'already'],
    failure: 'SECRET_NOT_OURS',
  },
  'neither publishes nor presents certificates of another issuer from a Secret of another owner': {
    observed: secret(stored(foreign, { labels: {} })),
    plan: ['ca-lost', 'unchanged', 'already'],
    failure: 'SECRET_NOT_OURS',
  },
  'neither publishes nor presents certificates of another issuer from a Secret of another owner at the start': {
    observed: { phase: 'starting', ...secret(stored(foreign, { labels: {} })), ...live(undefined) },
    memory: { presented: undefined, lastGood: undefined },
    plan: ['ca-lost', 'no-certificates', 'no-certificates'],
    failure: 'SECRET_NOT_OURS',
  },
  'neither publishes nor presents certificates of another issuer before the Secret is repaired': {
    observed: secret(stored(foreign)),
    plan: ['+ca-lost', 'unchanged', 'already'],
  },
  'neither publishes nor presents certificates of another issuer at the start before the Secret is repaired': {
    observed: { phase: 'starting', ...secret(stored(foreign)), ...live(undefined) },
    memory: { presented: undefined, lastGood: undefined },
    plan: ['+ca-lost', 'no-certificates', 'no-certificates'],
  },
  'does not publish a foreign CA of the stored CA bundle before the Secret is repaired': {
    observed: secret(stored({ ...set, caBundle: joinCertificates([set.caBundle, unconstrained.caBundle]) })),
    plan: ['+foreign-ca', 'unchanged', 'already'],
  },
  'does not publish a foreign CA of the stored CA bundle before a due serving certificate is renewed': {
    observed: {
      now: after(60),
      ...secret(stored({ ...set, caBundle: joinCertificates([set.caBundle, unconstrained.caBundle]) })),
    },
    plan: ['+due', 'unchanged', 'already'],
  },
  'publishes the stored CA bundle while the repair of the Secret is rate-limited': {
    observed: secret(stored(foreign)),
    memory: { repairs: { secret: { repairs: 99, lastAt: ISSUED_AT }, registration: undefined } },
    plan: ['+ca-lost', '+ca-bundle', 'not-trusted-yet'],
  },
  'publishes the stored CA bundle while writes to the Secret are paused': {
    observed: secret(stored(foreign, { annotations: { [PAUSED]: 'true' } })),
    plan: ['+ca-lost', '+ca-bundle', 'not-trusted-yet'],
  },
  'uses the certificates from files if files are configured': {
    observed: { certificates: { value: { files: { serving: other.serving, caBundle: both } } } },
    plan: ['files', '+ca-bundle', 'not-trusted-yet'],
  },
};

function planOf({ observed, memory }: Pick<Row, 'observed' | 'memory'>): Plan {
  return decide({ ...healthy, ...observed }, { ...settled, ...memory });
}

describe('the plan of a reconcile', () => {
  for (const [what, { plan: expected, failure, ...row }] of Object.entries(rows)) {
    test(`the plan of a reconcile has the expected steps and reasons: the plan ${what}`, () => {
      const plan = planOf(row);
      const words = [plan.secret, plan.registration, plan.presentation].map(
        ({ step, reason }) => `${step === undefined ? '' : '+'}${reason}`,
      );
      assert.deepEqual([words, plan.failure?.code], [expected, failure]);
    });
  }

  test('the plan keeps the usable CAs of the live CA bundle while the Secret needs a step', () => {
    const { certificates } = planOf({ observed: { ...secret(junk), ...live(registration(both)) } });
    assert.equal(certificates?.caBundle, both);
  });

  test('the plan keeps the usable CAs of the live CA bundle until this process has known the Secret for the settle time', () => {
    const { settleMs } = config.certificates;
    const bundleAfter = (uptimeMs: number) => {
      const memory = { phaseSeen: { key: phaseKey(set), sinceMs: 0 } };
      return planOf({ observed: { uptimeMs, ...live(registration(both)) }, memory }).certificates?.caBundle;
    };
    assert.equal(planOf({ observed: live(registration(both)) }).certificates?.caBundle, both);
    assert.equal(bundleAfter(settleMs - 1), both);
    assert.equal(bundleAfter(settleMs), set.caBundle);
  });

  test('the end of a rotation starts no settle time, so the retired CA leaves the CA bundle at once', () => {
    const retiring = { ...set, caBundle: both, phase: 'retiring', phaseSince: ISSUED_AT } as const;
    assert.equal(phaseKey(set), phaseKey(retiring));
    assert.notEqual(phaseKey(set), phaseKey({ ...retiring, phase: 'settling' }));
    assert.notEqual(phaseKey(set), phaseKey(other));
  });

  test('the plan measures the settle time also with the monotonic clock of this process', () => {
    const settling = { ...set, nextCa: other.ca, caBundle: both, phase: 'settling', phaseSince: ISSUED_AT } as const;
    const now = new Date(ISSUED_AT.getTime() + config.certificates.settleMs);
    const observed = { now, uptimeMs: 90_000, ...secret(stored(settling)), ...live(registration(both)) };
    const seenSince = (sinceMs: number) => ({ phaseSeen: { key: phaseKey(settling), sinceMs } });
    assert.equal(planOf({ observed }).secret.reason, 'keep');
    assert.equal(planOf({ observed, memory: seenSince(60_000) }).secret.reason, 'keep');
    assert.equal(planOf({ observed, memory: seenSince(0) }).secret.reason, 'switch');
  });

  test('the plan counts a registration write as a repair only if this replica published the same settings before', () => {
    const observed = live(registration(other.caBundle));
    const { registration: first } = planOf({ observed });
    assert.equal(first.isRepair, false);
    const memory = { published: { whole: first.fingerprint } };
    assert.equal(planOf({ observed, memory }).registration.isRepair, true);
    assert.equal(planOf({ observed: { ...observed, isLeaseHolder: false }, memory }).registration.isRepair, false);
  });
});

describe('the limits on planned writes', () => {
  const repaired = (repairs: number) => ({ repairs, lastAt: ISSUED_AT });
  const paused = stored(set, { annotations: { ...stored(set).annotations, [PAUSED]: 'true' } });
  const broken = live(registration(other.caBundle));
  const published = { whole: planOf({ observed: broken }).registration.fingerprint };
  const limited = (row: Pick<Row, 'observed' | 'memory'>) =>
    limit(planOf(row), { ...settled, ...row.memory }, 'vela-system/certificates');

  const table: Readonly<Record<string, [Pick<Row, 'observed' | 'memory'>, secret: unknown, registration: unknown]>> = {
    'delays nothing if no write is planned': [
      { memory: { repairs: { secret: repaired(99), registration: repaired(99) } } },
      undefined,
      undefined,
    ],
    'allows the twentieth repair at once': [
      { observed: broken, memory: { published, repairs: { secret: undefined, registration: repaired(19) } } },
      undefined,
      undefined,
    ],
    'delays the repair after twenty repairs by one second': [
      { observed: broken, memory: { published, repairs: { secret: undefined, registration: repaired(20) } } },
      undefined,
      { by: 'conflict', delayMs: 1_000 },
    ],
    'counts the repairs of the Secret and of the registration separately': [
      { observed: broken, memory: { published, repairs: { secret: repaired(99), registration: undefined } } },
      undefined,
      undefined,
    ],
    'does not delay a due renewal': [
      { observed: { now: after(60) }, memory: { repairs: { secret: repaired(99), registration: undefined } } },
      undefined,
      undefined,
    ],
    'delays all writes while writes are paused': [
      { observed: { ...secret(paused), now: after(60), ...broken } },
      { by: 'paused' },
      { by: 'paused' },
    ],
  };
  for (const [what, [row, ofSecret, ofRegistration]] of Object.entries(table)) {
    test(`limit() delays the expected writes of a plan: limit() ${what}`, () => {
      const { held } = limited(row);
      assert.deepEqual([held.secret, held.registration], [ofSecret, ofRegistration]);
    });
  }

  test('a limited plan has the failure WRITES_PAUSED if the stored certificates are unusable and the write of the Secret is delayed', () => {
    const repairs = { secret: repaired(99), registration: undefined };
    assert.equal(limited({ observed: secret(junk), memory: { repairs } }).failure?.code, 'WRITES_PAUSED');
    assert.equal(limited({ observed: secret(junk) }).failure, undefined);
  });

  test('the rate limit does not delay the presentation of a certificate', () => {
    const observed = { ...switched, ...live(registration(both)) };
    const repairs = { secret: repaired(99), registration: repaired(99) };
    assert.notEqual(limited({ observed, memory: { repairs } }).presentation.step, undefined);
  });
});
