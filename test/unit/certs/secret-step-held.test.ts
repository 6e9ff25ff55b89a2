import assert from 'node:assert/strict';
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { describe, test } from 'node:test';
import { fromSecret, type StoredSecret } from '../../../src/certs/secret.ts';
import { PAUSED, ROTATE } from '../../../src/certs/secret-annotations.ts';
import type { Situation } from '../../../src/certs/situation.ts';
import { type Pem, toBase64 } from '../../../src/lib/pem.ts';
import { aCertificateSet, certificateOptions, ISSUED_AT, stored } from '../../support/builders/a-certificate-set.ts';
import { ensureCertificates } from '../../support/fakes/ensure-certificates.ts';
import { createFakeSecretStore, type FakeSecretStore } from '../../support/fakes/fake-secret-store.ts';

const DAY_MS = 24 * 3_600_000;
const after = (days: number): Date => new Date(ISSUED_AT.getTime() + days * DAY_MS);

const set = await aCertificateSet();
const other = await aCertificateSet({ nth: 2 });
const options = certificateOptions();

const ensure = (store: FakeSecretStore, circumstances: Partial<Situation> = {}, repairs = 0) =>
  ensureCertificates(store, options, { now: ISSUED_AT, ...circumstances, repairs });
const annotated = (secret: StoredSecret, annotations: Record<string, string>): StoredSecret => ({
  ...secret,
  annotations: { ...secret.annotations, ...annotations },
});
/** A number of repairs after which the next repair is delayed by five minutes. */
const MANY = 100;
const damaged = stored({ ...set, serving: { ...set.serving, privateKey: 'junk' as Pem } });
const lost = stored({ ...set, ca: { ...set.ca, privateKey: '' as Pem } });
const twice = stored({ ...set, caBundle: (set.caBundle + set.caBundle) as Pem });
const empty = stored(set, { data: {}, annotations: {} });

/** Planned steps. They do not revert another writer, so they are not rate-limited. */
const ordinary = {
  'a due renewal': { secret: stored(set), circumstances: { now: after(60) }, action: 'renew' },
  'a requested renewal': { secret: annotated(stored(set), { [ROTATE]: 'serving' }), action: 'renew' },
  'the renewal at a start': {
    secret: stored(set),
    circumstances: { now: after(1), restartedAt: after(1) },
    action: 'renew',
  },
  'a requested rotation': { secret: annotated(stored(set), { [ROTATE]: 'ca' }), action: 'announce' },
} as const;

for (const [what, { secret, action, ...rest }] of Object.entries(ordinary)) {
  test(`${what} is written to the Secret at once, even after many repairs`, async () => {
    const store = createFakeSecretStore(secret);
    const ensured = await ensure(store, 'circumstances' in rest ? rest.circumstances : {}, MANY);
    assert.deepEqual([ensured.decision.action, ensured.held, store.writes()], [action, undefined, 1]);
  });
}

/**
 * The two reasons to delay a write: the annotation `terraform.job.kb.io/paused`, and the rate limit after many repairs.
 */
const ways = {
  paused: { hold: (secret: StoredSecret) => annotated(secret, { [PAUSED]: 'true' }), repairs: 0, holdsOrdinary: true },
  conflict: { hold: (secret: StoredSecret) => secret, repairs: MANY, holdsOrdinary: false },
} as const;

for (const [held, { hold, repairs, holdsOrdinary }] of Object.entries(ways)) {
  describe(`a write of the Secret that is delayed (${held})`, () => {
    const harmless = {
      ...(holdsOrdinary ? ordinary : {}),
      'a repeated CA in its bundle': { secret: twice, action: 'repair' },
      'a lost CA key and a valid serving certificate': { secret: lost, action: 'replace' },
    };
    for (const [what, { secret, action, ...rest }] of Object.entries(harmless)) {
      test(`while the write is delayed (${held}), the stored set is used unchanged (${what})`, async () => {
        const store = createFakeSecretStore(hold(secret));
        const before = store.current();
        const ensured = await ensure(store, 'circumstances' in rest ? rest.circumstances : {}, repairs);
        assert.deepEqual([ensured.decision.action, ensured.held], [action, held]);
        assert.deepEqual(ensured.set, fromSecret(hold(secret)));
        assert.deepEqual([ensured.isPaused, store.writes()], [held === 'paused', 0]);
        assert.deepEqual(store.current(), before);
      });
    }

    const broken = {
      'a serving certificate with the wrong key': { secret: damaged, named: 'unparsable' },
      'an expired serving certificate': { secret: stored(set), now: after(90), named: 'expired' },
      'an empty Secret': { secret: empty, named: 'absent' },
      'an empty Secret of another type': { secret: { ...empty, type: 'Opaque' }, named: 'absent' },
      'an expired set in an immutable Secret': {
        secret: stored(set, { isImmutable: true }),
        now: after(90),
        named: 'expired',
      },
    };
    for (const [what, { secret, named, ...rest }] of Object.entries(broken)) {
      test(`while the write is delayed (${held}), ${what} gives an error with the reason, because no set is usable`, async () => {
        const store = createFakeSecretStore(hold(secret));
        await assert.rejects(ensure(store, rest, repairs), (error: Error & { code?: string; retryable?: boolean }) => {
          assert.deepEqual([error.code, error.retryable], ['WRITES_PAUSED', true]);
          assert.ok(error.message.includes(`must be written (${named})`), error.message);
          const command =
            'kubectl -n vela-system annotate secret terraform-job-webhook-cert terraform.job.kb.io/paused-';
          assert.equal(error.message.includes(command), held === 'paused');
          return true;
        });
        assert.equal(store.writes(), 0);
      });
    }
  });
}

describe('the annotation paused', () => {
  test('if the Secret has the annotation paused and no write is pending, the result has isPaused true and no stopped write', async () => {
    const store = createFakeSecretStore(annotated(stored(set), { [PAUSED]: 'true' }));
    const ensured = await ensure(store);
    assert.deepEqual([ensured.decision.action, ensured.isPaused, ensured.held], ['keep', true, undefined]);
  });

  test('if both the annotation paused and the rate limit stop a write of the Secret, the result names the annotation', async () => {
    const store = createFakeSecretStore(annotated(twice, { [PAUSED]: 'true' }));
    assert.equal((await ensure(store, {}, MANY)).held, 'paused');
  });

  test('the annotation paused prevents a write even if it is set just before the write', async () => {
    const store = createFakeSecretStore(stored(set));
    store.beforeNextWrite(() => store.put(annotated(stored(set), { [PAUSED]: 'true' })));
    const ensured = await ensure(store, { now: after(60) });
    assert.deepEqual([ensured.held, store.writes()], ['paused', 0]);
  });
});

describe('a Secret that cannot be updated', () => {
  const flaws = { 'of another type': { type: 'Opaque' }, immutable: { isImmutable: true } };
  for (const [what, flaw] of Object.entries(flaws)) {
    const others = {
      labels: { team: 'platform' },
      annotations: { 'example.com/note': 'keep me' },
      data: { note: toBase64('x') },
    };
    const healthy = stored(set);
    const secret = {
      ...healthy,
      ...flaw,
      labels: { ...healthy.labels, ...others.labels },
      annotations: { ...healthy.annotations, ...others.annotations },
      data: { ...healthy.data, ...others.data },
    };

    test(`a Secret that is ${what} is left alone until a write is due`, async () => {
      const store = createFakeSecretStore(secret);
      const ensured = await ensure(store);
      assert.deepEqual([ensured.set, ensured.decision.action, store.writes()], [set, 'keep', 0]);
    });

    test(`a Secret that is ${what} is recreated when a write is due, and keeps the labels, annotations and data of other writers`, async () => {
      const store = createFakeSecretStore(annotated(secret, { [ROTATE]: 'serving' }));
      const uid = store.current()?.uid;
      const ensured = await ensure(store);
      assert.deepEqual(ensured.decision, { action: 'renew', reason: 'asked' });
      const made = store.current();
      assert.ok(made);
      assert.notEqual(made.uid, uid);
      assert.deepEqual([made.type, made.isImmutable], ['kubernetes.io/tls', false]);
      assert.deepEqual(
        [made.labels.team, made.annotations['example.com/note'], made.data.note],
        ['platform', 'keep me', toBase64('x')],
      );
      assert.equal(made.annotations[ROTATE], undefined, 'the request is answered');
      assert.deepEqual([fromSecret(made).ca, fromSecret(made).serving], [set.ca, ensured.set.serving]);
      assert.equal((await ensure(store)).decision.action, 'keep');
    });

    // A starting replica presents the certificate of this Secret. In a chaos run, a daemon exited here because the
    // certificates were damaged.
    for (const [damage, spoilt] of Object.entries({
      'a damaged serving key': damaged,
      'no CA key': lost,
      'no data': empty,
    })) {
      test(`a Secret that is ${what} and has ${damage} is recreated with a usable set`, async () => {
        const store = createFakeSecretStore({ ...spoilt, ...flaw });
        const ensured = await ensure(store);
        assert.equal(store.current()?.isImmutable, false);
        const { certificate, privateKey } = ensured.set.serving;
        assert.equal(new X509Certificate(certificate).checkPrivateKey(createPrivateKey(privateKey)), true);
        assert.deepEqual((await ensure(store)).set.serving, ensured.set.serving, 'it was stored');
      });
    }

    test(`a Secret that is ${what} is not deleted if it was changed since the read`, async () => {
      const store = createFakeSecretStore(annotated(secret, { [ROTATE]: 'serving' }));
      store.beforeNextWrite(() => store.put(stored(other)));
      const ensured = await ensure(store);
      assert.deepEqual([ensured.set, ensured.decision.action, store.writes()], [other, 'keep', 0]);
    });

    test(`a Secret of another owner that is ${what} is used unchanged`, async () => {
      const store = createFakeSecretStore({ ...secret, labels: {} });
      const ensured = await ensure(store, { liveBundle: set.caBundle });
      assert.deepEqual([ensured.set, ensured.decision.action, store.writes()], [set, 'keep', 0]);
    });
  }

  test('a Secret that is being deleted is not written, and the error names the finalizers and the kubectl command that removes them', async () => {
    const deleting = { ...stored(set), deletionWaitsFor: ['example.com/backup', 'example.com/audit'] };
    const store = createFakeSecretStore(deleting);
    assert.equal((await ensure(store)).decision.action, 'keep');
    await assert.rejects(ensure(store, { now: after(60) }), {
      code: 'SECRET_DELETING',
      message:
        'Secret vela-system/terraform-job-webhook-cert must be written, but it is being deleted and waits for the ' +
        'finalizers example.com/backup, example.com/audit. If their controller does not remove them: kubectl -n ' +
        'vela-system patch secret terraform-job-webhook-cert --type=merge ' +
        `-p '{"metadata":{"finalizers":null}}'`,
    });
    assert.equal(store.writes(), 0);
  });
});
