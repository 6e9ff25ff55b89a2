import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import type { V1MutatingWebhookConfiguration } from '@kubernetes/client-node';
import fc from 'fast-check';
import { decideJob } from '../../src/backstop/decide.ts';
import { createCertificateLogic } from '../../src/certs/certificate-logic.ts';
import { type Phase, phases } from '../../src/certs/certificate-set.ts';
import { fromSecret, type StoredSecret, toSecret, traitsOf } from '../../src/certs/secret.ts';
import { isPaused, misunderstood } from '../../src/certs/secret-annotations.ts';
import { readConfig } from '../../src/cli/config.ts';
import { readSelectors } from '../../src/commands/inspect/selectors.ts';
import { OperatorError } from '../../src/lib/errors.ts';
import { matchConditions } from '../../src/policy/cel.ts';
import { terraformPolicy } from '../../src/policy/policy.ts';
import { desiredRegistration, ownWebhook } from '../../src/registration/desired.ts';
import { drift } from '../../src/registration/drift.ts';
import { publishedSelector } from '../../src/registration/namespace-selector.ts';
import { decideRegistration, liveBundle } from '../../src/registration/registration-step.ts';
import { lastWriter, specOf } from '../../src/registration/webhook-spec.ts';
import { aCertificateSet, certificateOptions, ISSUED_AT, stored } from '../support/builders/a-certificate-set.ts';
import { aTerraformJob } from '../support/builders/a-job.ts';
import { aRegistration } from '../support/builders/an-inspection.ts';
import { pathsOf, withValue } from '../support/builders/any-job.ts';
import { anyPolicy } from '../support/builders/any-policy.ts';
import { ensureCertificates } from '../support/fakes/ensure-certificates.ts';
import { createFakeSecretStore } from '../support/fakes/fake-secret-store.ts';
import { anyHostileValue, damaged } from './junk.ts';
import type { Target } from './target.ts';

const options = certificateOptions();
const DAY_MS = 86_400_000;
const anyMoment = fc.oneof(
  fc.nat(4_000).map((days) => new Date(ISSUED_AT.getTime() + days * DAY_MS)),
  fc.date({ noInvalidDate: true }),
);

/** Generates a Secret with arbitrary edits: the API server accepts any bytes and any text. */
export async function anySecret(): Promise<fc.Arbitrary<StoredSecret>> {
  const sets = [await aCertificateSet(), await aCertificateSet({ nth: 2 })];
  const secrets = sets.map((set) => stored(set));
  const pems = sets.flatMap(({ ca, serving }) => [
    ca.certificate,
    ca.privateKey,
    serving.certificate,
    serving.privateKey,
  ]);
  const base64 = fc.oneof(
    damaged(...pems, `${pems[0]}${pems[4]}`).map((text) => Buffer.from(text).toString('base64')),
    fc.uint8Array().map((bytes) => Buffer.from(bytes).toString('base64')),
  );
  const keys = [
    'tls.crt',
    'tls.key',
    'ca.crt',
    'ca.key',
    'next-ca.crt',
    'next-ca.key',
    'former-tls.crt',
    '__proto__',
    'constructor',
  ];
  const prefix = 'terraform.job.kb.io';
  const anyWord = fc.oneof(
    fc.constantFrom<string>(...phases, 'serving', 'ca', 'true', 'false', '', 'absent', '2026-03-01T12:00:00Z'),
    fc.string({ unit: 'binary' }),
  );
  const names = ['phase', 'phase-since', 'rotate', 'paused', 'ca-issued-at'];
  const edit = <T>(field: fc.Arbitrary<string>, value: fc.Arbitrary<T>) =>
    fc.array(fc.tuple(field, value), { maxLength: 3 });
  return fc
    .record({
      secret: fc.constantFrom(...secrets),
      data: edit(fc.constantFrom(...keys), base64),
      annotations: edit(
        fc.constantFrom(...names).map((name) => `${prefix}/${name}`),
        anyWord,
      ),
      type: fc.constantFrom('kubernetes.io/tls', 'kubernetes.io/tls', 'Opaque'),
      isImmutable: fc.constantFrom(false, false, true),
      isOurs: fc.constantFrom(true, true, false),
    })
    .map(({ secret, data, annotations, type, isImmutable, isOurs }) => ({
      ...secret,
      ...{ type, isImmutable, labels: isOurs ? secret.labels : {} },
      data: { ...secret.data, ...Object.fromEntries(data) },
      annotations: { ...secret.annotations, ...Object.fromEntries(annotations) },
    }));
}

interface SecretInput {
  readonly secret: StoredSecret;
  readonly now: Date;
}

/**
 * Decides about arbitrary Secrets. If the decision is to keep the stored certificates, the CA must have signed the
 * serving certificate, and neither may have expired.
 */
export async function secretTarget(): Promise<Target<SecretInput>> {
  return {
    inputs: fc.record({ secret: await anySecret(), now: anyMoment }),
    check({ secret, now }) {
      const set = fromSecret(secret);
      const { action } = createCertificateLogic(options).decide(set, { now }, traitsOf(secret));
      for (const read of [isPaused, misunderstood]) read(secret);
      toSecret(set, options);
      assert.ok(phases.includes(set.phase as Phase));
      if (action !== 'keep') return;
      const [ca, serving] = [new X509Certificate(set.ca.certificate), new X509Certificate(set.serving.certificate)];
      assert.ok(serving.verify(ca.publicKey), 'a certificate is kept that its authority has not signed');
      assert.ok(now < serving.validToDate && now < ca.validToDate, 'a certificate is kept that has expired');
    },
  };
}

/** Limit of the reconciles that repair one Secret. A CA rotation has fewer steps. */
const MOST_STEPS = 12;

/**
 * Checks that MOST_STEPS reconciles are enough to repair an arbitrary Secret, and that the daemon never overwrites a
 * Secret of another owner.
 */
export async function ensureTarget(): Promise<Target<SecretInput>> {
  return {
    inputs: fc.record({ secret: await anySecret(), now: fc.constant(new Date(ISSUED_AT.getTime() + 10 * DAY_MS)) }),
    async check({ secret, now }) {
      const store = createFakeSecretStore(secret);
      try {
        for (let step = 0; ; step += 1) {
          const { caBundle } = fromSecret(store.current() ?? secret);
          const { decision, held } = await ensureCertificates(store, options, { now, liveBundle: caBundle });
          if (decision.action === 'keep' || held) break;
          assert.ok(step < MOST_STEPS, `${decision.action} does not end it`);
        }
      } catch (error) {
        if (!(error instanceof OperatorError)) throw error;
        assert.ok(['SECRET_NOT_OURS', 'WRITES_PAUSED'].includes(error.code), error.message);
        assert.equal(store.writes(), 0);
      }
    },
  };
}

/**
 * Generates a registration with an arbitrary CA bundle and one other arbitrary text field, as another client could
 * write it.
 */
export async function anyRegistration(): Promise<fc.Arbitrary<V1MutatingWebhookConfiguration>> {
  const { caBundle } = await aCertificateSet();
  const whole = JSON.parse(JSON.stringify(aRegistration(caBundle)));
  const expression = matchConditions(terraformPolicy)[0]?.expression ?? '';
  const isText = (path: readonly string[]) => typeof path.reduce((at, name) => at[name], whole) === 'string';
  const edits = fc.record({
    path: fc.constantFrom(...pathsOf(whole).filter(isText)),
    value: fc.oneof(damaged(caBundle, expression), fc.string({ unit: 'binary' })),
    bundle: damaged(caBundle),
  });
  const entry = ['webhooks', '0', 'clientConfig', 'caBundle'];
  return edits.map(({ path, value, bundle }) =>
    withValue(withValue(whole, entry, Buffer.from(bundle).toString('base64')), path, value),
  );
}

export async function registrationTarget(): Promise<Target<V1MutatingWebhookConfiguration>> {
  const { caBundle } = await aCertificateSet();
  const conditions = matchConditions(terraformPolicy);
  return {
    inputs: await anyRegistration(),
    check(live) {
      const own = ownWebhook(live);
      const wanted = desiredRegistration(readConfig({}).registration, { caBundle, matchConditions: conditions }, live);
      if (own) specOf(own);
      for (const isHolder of [true, false]) decideRegistration(live, wanted, isHolder);
      lastWriter(live, wanted);
      const fields = drift(live, wanted);
      readSelectors(own, publishedSelector(live));
      liveBundle(live);
      if (JSON.stringify(live) === JSON.stringify({ ...live, ...wanted })) assert.deepEqual(fields, []);
      assert.deepEqual(drift(wanted, wanted), []);
    },
  };
}

const wholeJob = aTerraformJob({ deletionTimestamp: undefined, conditions: [{ type: 'Failed', status: 'False' }] });
Object.assign(wholeJob.metadata, { uid: 'u', resourceVersion: '1', generation: 1, creationTimestamp: ISSUED_AT });
const storedJob = JSON.parse(JSON.stringify(wholeJob));

/** Checks the backstop decision about arbitrary Jobs from lists and watches. */
export function jobTarget(): Target<{ edits: (readonly [number, unknown])[]; policy: unknown }> {
  return {
    inputs: fc.record({
      edits: fc.array(fc.tuple(fc.nat(200), anyHostileValue), { maxLength: 3 }),
      policy: fc.oneof(fc.constant(terraformPolicy), anyPolicy),
    }),
    check({ edits, policy }) {
      const job = edits.reduce((json, [nth, value]) => {
        const paths = pathsOf(json);
        return withValue(json, paths[nth % paths.length] ?? [], value);
      }, storedJob);
      const around = {
        policy: policy as typeof terraformPolicy,
        heal: 'all',
        startedAt: ISSUED_AT,
        now: ISSUED_AT,
      } as const;
      if (decideJob(job, around).action !== 'ask') return;
      const namespaceLabels = { app: 'x', env: 'prod' };
      assert.notEqual(decideJob(job, { ...around, namespaceLabels }).action, 'ask');
    },
  };
}
