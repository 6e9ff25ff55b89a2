import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { OperatorError } from '../../../src/lib/errors.ts';
import { joinCertificates, type Pem } from '../../../src/lib/pem.ts';
import { type Health, liveness, readiness } from '../../../src/operator/health.ts';
import { aCertificateSet, certificateOptions, ISSUED_AT } from '../../support/builders/a-certificate-set.ts';
import { isCalled } from '../../support/builders/a-damaged-set.ts';
import { altered } from '../../support/builders/altered.ts';

const DAY_MS = 24 * 3_600_000;
const set = await aCertificateSet({ options: { servingLifetimeMs: 90 * DAY_MS } });
const other = await aCertificateSet({ nth: 2 });
const { names } = certificateOptions();

const running: Health = { phase: 'running', presented: set.serving.certificate, liveBundle: set.caBundle };
const at = (ms: number): Date => new Date(ISSUED_AT.getTime() + ms);

/** Returns the failed checks by name, with their problems. */
const problems = (status: Health, { wanted = names, now = ISSUED_AT } = {}) =>
  Object.fromEntries(
    readiness(status, wanted, now).flatMap(({ name, problem }) => (problem === undefined ? [] : [[name, problem]])),
  );

describe('the readiness of the daemon', () => {
  test('while the daemon runs, readiness reports no problem of endpoint, certificate, registration and shutdown', () => {
    assert.deepEqual(readiness(running, names, ISSUED_AT), [
      { name: 'endpoint', problem: undefined },
      { name: 'certificate', problem: undefined },
      { name: 'registration', problem: undefined },
      { name: 'shutdown', problem: undefined },
    ]);
  });

  test('before the first reconcile has succeeded, readiness reports problems of endpoint, certificate and registration', () => {
    assert.deepEqual(problems({ phase: 'starting' }), {
      endpoint: 'no serving certificate yet',
      certificate: 'no serving certificate yet',
      registration: 'the CA bundle has not been read back from the API server yet',
    });
    assert.deepEqual(Object.keys(problems({ phase: 'starting', presented: set.serving.certificate })), [
      'registration',
    ]);
  });

  test('readiness shows the error of the last reconcile on one line, and only if a check fails', () => {
    const failure = new OperatorError(
      'KUBE_REJECTED',
      `cannot create Secret a/b:\nexceeded quota${' x'.repeat(1_000)}`,
    );
    const { reconcile = '' } = problems({ phase: 'starting', failure });
    assert.match(reconcile, /^KUBE_REJECTED: cannot create Secret a\/b: exceeded quota x/);
    assert.equal(reconcile.length, 500);
    assert.deepEqual(problems({ ...running, failure }), {});
  });

  test('readiness fails while the daemon drains', () => {
    assert.deepEqual(problems({ ...running, phase: 'draining' }), { shutdown: 'the replica is shutting down' });
  });

  test('readiness fails from the moment the serving certificate expires', () => {
    assert.deepEqual(problems(running, { now: at(90 * DAY_MS - 1) }), {});
    assert.deepEqual(problems(running, { now: at(90 * DAY_MS) }), {
      certificate: 'the certificate is no longer valid',
    });
  });

  test('readiness fails before the serving certificate is valid', () => {
    const { certificate, registration } = problems(running, { now: at(-2 * 3_600_000) });
    assert.equal(certificate, 'the certificate is not valid yet');
    assert.equal(registration, 'the live CA bundle does not verify the serving certificate');
  });

  test('readiness requires the DNS name that API servers call, and no other name', () => {
    const wanted = { dns: [names.dns[0] ?? '', 'never.asked.for'], ip: [] };
    assert.deepEqual(problems(running, { wanted }), {});
    assert.deepEqual(problems(running, { wanted: { dns: ['other.ops.svc', ...names.dns], ip: [] } }), {
      certificate: 'the certificate is not for the required names',
    });
    assert.deepEqual(Object.keys(problems(running, { wanted: { dns: [], ip: ['127.0.0.1'] } })), ['certificate']);
  });

  test('readiness fails if the live CA bundle does not verify the presented certificate', () => {
    const expected = { registration: 'the live CA bundle does not verify the serving certificate' };
    assert.deepEqual(problems({ ...running, liveBundle: other.caBundle }), expected);
    assert.deepEqual(problems({ ...running, liveBundle: '' as Pem }), expected);
    assert.deepEqual(problems({ ...running, liveBundle: joinCertificates([other.caBundle, set.caBundle]) }), {});
  });

  test('readiness uses the intermediate certificates that the endpoint sends', () => {
    const intermediate = altered(set.ca, { signer: other.ca, change: isCalled('intermediate') });
    const leaf = altered(set.serving, { signer: intermediate });
    const chain = joinCertificates([leaf.certificate, intermediate.certificate]);
    assert.deepEqual(problems({ ...running, presented: chain, liveBundle: other.caBundle }), {});
    assert.deepEqual(Object.keys(problems({ ...running, presented: leaf.certificate, liveBundle: other.caBundle })), [
      'registration',
    ]);
  });
});

describe('the liveness of the daemon', () => {
  const beatAt = ISSUED_AT;
  const minutes = 60_000;

  test('liveness passes before the first reconcile begins', () => {
    assert.deepEqual(liveness({ phase: 'starting' }, ISSUED_AT), [{ name: 'reconcile-loop', problem: undefined }]);
  });

  test('liveness fails more than five minutes after the last reconcile began', () => {
    assert.deepEqual(liveness({ ...running, beatAt }, at(5 * minutes)), [
      { name: 'reconcile-loop', problem: undefined },
    ]);
    assert.deepEqual(liveness({ ...running, beatAt }, at(5 * minutes + 1000)), [
      { name: 'reconcile-loop', problem: 'the last reconcile began 301 s ago' },
    ]);
  });

  test('liveness passes if the clock was set back', () => {
    assert.deepEqual(liveness({ ...running, beatAt }, at(-60 * minutes)), [
      { name: 'reconcile-loop', problem: undefined },
    ]);
  });
});
