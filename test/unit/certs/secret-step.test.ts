import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { describe, test } from 'node:test';
import type { CertificateOptions, CertificateSet } from '../../../src/certs/certificate-set.ts';
import { fromSecret } from '../../../src/certs/secret.ts';
import { MANAGED_BY } from '../../../src/certs/secret-ownership.ts';
import type { Situation } from '../../../src/certs/situation.ts';
import { joinCertificates, type Pem, splitCertificates, toBase64 } from '../../../src/lib/pem.ts';
import {
  aCertificateAuthority,
  aCertificateSet,
  certificateOptions,
  ISSUED_AT,
  stored,
} from '../../support/builders/a-certificate-set.ts';
import { opensslAuthority } from '../../support/cluster/openssl.ts';
import { ensureCertificates } from '../../support/fakes/ensure-certificates.ts';
import { createFakeSecretStore, type FakeSecretStore } from '../../support/fakes/fake-secret-store.ts';

const DAY_MS = 24 * 3_600_000;
const after = (days: number): Date => new Date(ISSUED_AT.getTime() + days * DAY_MS);

const set = await aCertificateSet();
const other = await aCertificateSet({ nth: 2 });

interface Ensure extends Partial<Situation> {
  readonly options?: Partial<CertificateOptions>;
}
const ensure = (store: FakeSecretStore, { options, ...circumstances }: Ensure = {}) =>
  ensureCertificates(store, certificateOptions(options), { now: ISSUED_AT, liveBundle: undefined, ...circumstances });

/** Returns the certificate set in the Secret. */
function content(store: FakeSecretStore): CertificateSet {
  const secret = store.current();
  assert.ok(secret, 'there is no Secret');
  return fromSecret(secret);
}
const annotation = (store: FakeSecretStore, name: string) =>
  store.current()?.annotations[`terraform.job.kb.io/${name}`];

describe('the daemon without a Secret', () => {
  test('without a Secret a certificate set is issued, stored and returned', async () => {
    const store = createFakeSecretStore();
    const ensured = await ensure(store);
    assert.deepEqual(ensured.decision, { action: 'replace', reason: 'absent' });
    assert.deepEqual(ensured.set, content(store));
    assert.deepEqual([ensured.held, ensured.isPaused, ensured.set.phase], [undefined, false, 'stable']);
    assert.deepEqual((await ensure(store)).decision, { action: 'keep', until: after(60) });
    assert.equal(store.writes(), 1);
    assert.equal(annotation(store, 'ca-issued-because'), 'absent');
    assert.equal(annotation(store, 'serving-issued-because'), 'absent');
    assert.equal(splitCertificates(ensured.set.caBundle).length, 1);
  });

  test('without a Secret the CAs of the live bundle stay in the new bundle, after the new CA', async () => {
    const store = createFakeSecretStore();
    const ensured = await ensure(store, { liveBundle: other.caBundle });
    const [first, ...rest] = splitCertificates(ensured.set.caBundle);
    assert.equal(first, ensured.set.ca.certificate);
    assert.deepEqual(rest, [other.ca.certificate]);
    assert.deepEqual([ensured.set.phase, ensured.set.phaseSince], ['publishing', ISSUED_AT]);
  });
});

describe('the daemon with a healthy Secret', () => {
  test('the set of a healthy Secret is returned and nothing is written', async () => {
    const store = createFakeSecretStore(stored(set));
    const before = store.current();
    const ensured = await ensure(store, { now: after(1), liveBundle: other.caBundle });
    const decision = { action: 'keep', until: after(60) };
    assert.deepEqual(ensured, { set, decision, held: undefined, isPaused: false, misunderstood: undefined });
    assert.deepEqual(store.current(), before);
  });

  test('the set of a healthy Secret of another owner is used and nothing is written', async () => {
    const store = createFakeSecretStore(stored(set, { labels: {} }));
    assert.deepEqual((await ensure(store)).set, set);
    assert.equal(store.writes(), 0);
  });
});

describe('renewals of the serving certificate', () => {
  const damaged = (changes: Partial<CertificateSet['serving']>) =>
    stored({ ...set, serving: { ...set.serving, ...changes } });
  const cases = {
    due: { secret: stored(set), now: after(60) },
    expired: { secret: stored(set), now: after(90) },
    restart: { secret: stored(set), now: after(1), restartedAt: after(1) },
    unparsable: { secret: damaged({ certificate: 'junk' as Pem }) },
    'key-mismatch': { secret: damaged({ privateKey: other.serving.privateKey }) },
    'wrong-chain': { secret: stored({ ...set, serving: other.serving }) },
  };
  for (const [reason, { secret, ...circumstances }] of Object.entries(cases)) {
    test(`a serving certificate is renewed by the same CA for the reason ${reason}, which is written to the Secret`, async () => {
      const store = createFakeSecretStore({
        ...secret,
        annotations: { ...secret.annotations, 'terraform.job.kb.io/ca-issued-because': 'ca-lost' },
      });
      const ensured = await ensure(store, circumstances);
      assert.deepEqual(ensured.decision, { action: 'renew', reason });
      assert.deepEqual(ensured.set, content(store));
      assert.deepEqual([ensured.set.ca, ensured.set.caBundle], [set.ca, set.caBundle]);
      assert.notEqual(ensured.set.serving.certificate, set.serving.certificate);
      assert.equal(annotation(store, 'serving-issued-because'), reason);
      assert.equal(annotation(store, 'ca-issued-because'), 'ca-lost');
      const again = await ensure(store, circumstances);
      assert.deepEqual([again.set, again.decision.action, store.writes()], [ensured.set, 'keep', 1]);
    });
  }

  test('a renewal of the serving certificate does not change the bundle', async () => {
    const caBundle = joinCertificates([set.caBundle, other.caBundle]);
    const retiring = { ...set, caBundle, phase: 'retiring', phaseSince: after(60) } as const;
    const store = createFakeSecretStore(stored(retiring));
    const ensured = await ensure(store, { now: after(60), liveBundle: undefined });
    assert.deepEqual(ensured.decision, { action: 'renew', reason: 'due' });
    assert.deepEqual({ ...ensured.set, serving: set.serving }, retiring);
  });
});

describe('a Secret with an unusable CA', () => {
  const cases = {
    absent: { secret: stored(set, { data: {} }) },
    'ca-lost': { secret: stored({ ...set, ca: { ...set.ca, privateKey: '' as Pem } }) },
    unparsable: { secret: stored({ ...set, ca: { ...set.ca, privateKey: 'junk' as Pem } }) },
    'key-mismatch': { secret: stored({ ...set, ca: { ...set.ca, privateKey: other.ca.privateKey } }) },
    'missing-name': { secret: stored(set), options: { names: { dns: ['job-webhook.ops.svc'], ip: [] } } },
    expired: { secret: stored(set), now: after(3650) },
  };
  for (const [reason, { secret, ...circumstances }] of Object.entries(cases)) {
    test(`if the CA is unusable, a new CA and a new serving certificate are issued, and the Secret has the reason ${reason} for both`, async () => {
      const store = createFakeSecretStore(secret);
      const ensured = await ensure(store, circumstances);
      assert.deepEqual(ensured.decision, { action: 'replace', reason });
      assert.deepEqual(ensured.set, content(store));
      assert.notEqual(ensured.set.ca.certificate, set.ca.certificate);
      assert.ok(new X509Certificate(ensured.set.serving.certificate).checkIssued(authorityOf(ensured.set)));
      assert.equal(annotation(store, 'serving-issued-because'), reason);
      assert.equal(annotation(store, 'ca-issued-because'), reason);
      const again = await ensure(store, circumstances);
      assert.deepEqual([again.set, again.decision.action, store.writes()], [ensured.set, 'keep', 1]);
    });
  }

  test('with an unusable CA the former CAs of Secret and live bundle stay in the bundle, each once', async () => {
    const third = await aCertificateAuthority({ nth: 3 });
    const caBundle = joinCertificates([set.caBundle, other.caBundle]);
    const store = createFakeSecretStore(stored({ ...set, caBundle, ca: { ...set.ca, privateKey: '' as Pem } }));
    const liveBundle = joinCertificates([third.certificate, other.caBundle]);
    const ensured = await ensure(store, { liveBundle });
    assert.deepEqual(splitCertificates(ensured.set.caBundle), [
      ensured.set.ca.certificate,
      set.ca.certificate,
      other.ca.certificate,
      third.certificate,
    ]);
  });

  test('with an unusable CA, expired and foreign CAs are removed from the bundle', async () => {
    const expired = await aCertificateAuthority({ options: { caLifetimeMs: DAY_MS } });
    const foreign = await aCertificateAuthority({ options: { names: { dns: ['other.ops.svc'], ip: [] } } });
    const ofOtherKind = await opensslAuthority('ec');
    const liveBundle = joinCertificates([expired.certificate, foreign.certificate, ofOtherKind.certificate]);
    const store = createFakeSecretStore(stored({ ...set, ca: { ...set.ca, privateKey: '' as Pem } }));
    const ensured = await ensure(store, { now: after(1000), liveBundle });
    assert.equal(ensured.decision.action, 'replace');
    const bundle = splitCertificates(ensured.set.caBundle);
    assert.deepEqual(bundle, [ensured.set.ca.certificate, set.ca.certificate]);
  });
});

const authorityOf = ({ ca }: CertificateSet): X509Certificate => new X509Certificate(ca.certificate);

describe('labels and annotations of others on the Secret', () => {
  test('the Secret keeps the labels, annotations and data of other writers when a certificate is renewed, a next CA announced or the CA replaced', async () => {
    const healthy = stored(set);
    const store = createFakeSecretStore({
      ...healthy,
      labels: { ...healthy.labels, team: 'platform' },
      annotations: { ...healthy.annotations, 'example.com/note': 'keep me' },
      data: { ...healthy.data, note: toBase64('keep me too') },
    });
    const actions: string[] = [];
    for (const now of [after(60), after(2400), after(2440), after(3650)]) {
      actions.push((await ensure(store, { now })).decision.action);
      const secret = store.current();
      assert.deepEqual(secret?.labels, { ...MANAGED_BY, team: 'platform' });
      assert.equal(secret?.annotations['example.com/note'], 'keep me');
      assert.equal(secret?.data.note, toBase64('keep me too'));
    }
    assert.deepEqual(actions, ['renew', 'renew', 'announce', 'replace']);
    assert.equal(store.writes(), 4);
  });

  test('a Secret without the managed-by label is not overwritten, and the error has the command to run', async () => {
    for (const labels of [{}, { 'app.kubernetes.io/managed-by': 'Helm' }]) {
      const store = createFakeSecretStore(stored(set, { labels }));
      const before = store.current();
      await assert.rejects(ensure(store, { now: after(60) }), {
        code: 'SECRET_NOT_OURS',
        message:
          'Secret vela-system/terraform-job-webhook-cert has no label app.kubernetes.io/managed-by=terraform-daemon, ' +
          'so it must not be overwritten. To let the daemon manage this Secret: ' +
          'kubectl -n vela-system label secret terraform-job-webhook-cert ' +
          'app.kubernetes.io/managed-by=terraform-daemon. To keep this Secret unchanged: set --secret-name to another ' +
          'name, or use your own certificate with --webhook-cert-path.',
      });
      assert.deepEqual(store.current(), before);
    }
  });
});
