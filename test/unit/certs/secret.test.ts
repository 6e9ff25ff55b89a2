import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { describe, test } from 'node:test';
import { fromSecret, toSecret } from '../../../src/certs/secret.ts';
import { joinCertificates, type Pem, toBase64 } from '../../../src/lib/pem.ts';
import { aCertificateSet, certificateOptions, stored } from '../../support/builders/a-certificate-set.ts';

const set = await aCertificateSet();
const other = await aCertificateSet({ nth: 2 });
const announced = {
  ...set,
  nextCa: other.ca,
  caBundle: joinCertificates([set.caBundle, other.caBundle]),
  phase: 'settling',
  phaseSince: new Date('2026-03-02T12:00:00.250Z'),
} as const;
const annotation = (name: string) => `terraform.job.kb.io/${name}`;

describe('the content of the Secret', () => {
  test('fromSecret returns the certificate set from which the daemon wrote the Secret', () => {
    const replaced = { ...set, former: other.serving };
    for (const one of [set, announced, replaced]) assert.deepEqual(fromSecret(stored(one)), one);
  });

  test('the Secret has the keys of a TLS Secret and of the CA, as base64 of PEM', () => {
    const { data } = toSecret(set, certificateOptions());
    assert.deepEqual(data, {
      'tls.crt': Buffer.from(set.serving.certificate).toString('base64'),
      'tls.key': Buffer.from(set.serving.privateKey).toString('base64'),
      'ca.crt': Buffer.from(set.caBundle).toString('base64'),
      'ca.key': Buffer.from(set.ca.privateKey).toString('base64'),
      'next-ca.crt': null,
      'next-ca.key': null,
      'former-tls.crt': null,
      'former-tls.key': null,
    });
  });

  test('the Secret has the next CA during a rotation, and not otherwise', () => {
    const { data } = toSecret(announced, certificateOptions());
    assert.equal(data['next-ca.crt'], Buffer.from(other.ca.certificate).toString('base64'));
    assert.equal(data['next-ca.key'], Buffer.from(other.ca.privateKey).toString('base64'));
  });

  test('the only label that the daemon writes to the Secret is managed-by', () => {
    const { labels } = toSecret(set, certificateOptions());
    assert.deepEqual(labels, { 'app.kubernetes.io/managed-by': 'terraform-daemon' });
  });

  test('the annotations of the Secret describe the certificates and contain no private key', () => {
    const { annotations } = toSecret(set, certificateOptions());
    assert.deepEqual(annotations, {
      'terraform.job.kb.io/ca-not-after': '2036-02-27T12:00:00Z',
      'terraform.job.kb.io/ca-fingerprint-sha256': new X509Certificate(set.ca.certificate).fingerprint256,
      'terraform.job.kb.io/ca-issued-at': '2026-03-01T12:00:00Z',
      'terraform.job.kb.io/next-ca-not-after': null,
      'terraform.job.kb.io/next-ca-fingerprint-sha256': null,
      'terraform.job.kb.io/next-ca-issued-at': null,
      'terraform.job.kb.io/serving-not-after': '2026-05-30T12:00:00Z',
      'terraform.job.kb.io/serving-fingerprint-sha256': new X509Certificate(set.serving.certificate).fingerprint256,
      'terraform.job.kb.io/serving-issued-at': '2026-03-01T12:00:00Z',
      'terraform.job.kb.io/names':
        'terraform-job-webhook-service.vela-system.svc, ' +
        'terraform-job-webhook-service.vela-system.svc.cluster.local, ' +
        'terraform-job-webhook-service.vela-system, terraform-job-webhook-service',
      'terraform.job.kb.io/phase': 'stable',
      'terraform.job.kb.io/phase-since': null,
    });
  });

  test('the annotations of the Secret have the phase of a rotation and describe the next CA', () => {
    const { annotations } = toSecret(announced, certificateOptions());
    assert.equal(annotations[annotation('phase')], 'settling');
    assert.equal(annotations[annotation('phase-since')], '2026-03-02T12:00:00.250Z');
    assert.equal(annotations[annotation('next-ca-not-after')], '2036-02-27T12:00:00Z');
    assert.equal(
      annotations[annotation('next-ca-fingerprint-sha256')],
      new X509Certificate(other.ca.certificate).fingerprint256,
    );
    assert.equal(annotations[annotation('next-ca-issued-at')], '2026-03-01T12:00:00Z');
  });

  test('the annotations of the Secret list the IP addresses of the certificate', () => {
    const options = certificateOptions({ names: { dns: [], ip: ['127.0.0.1', '::1'] } });
    const { annotations } = toSecret(set, options);
    assert.equal(annotations['terraform.job.kb.io/names'], '127.0.0.1, ::1');
  });
});

describe('reading the Secret', () => {
  test('fromSecret reads the first certificate of the bundle as the signing CA', () => {
    const caBundle = joinCertificates([set.caBundle, other.caBundle]);
    const read = fromSecret(stored({ ...set, caBundle }));
    // `ca.crt` with several CAs and without `next-ca.crt` means the last phase of a rotation, even if the annotation
    // names another phase.
    assert.deepEqual(read, { ...set, caBundle, phase: 'retiring' });
    assert.equal(read.ca.certificate, set.ca.certificate);
  });

  test('fromSecret reads missing keys of the Secret as empty text', () => {
    assert.deepEqual(fromSecret(stored(set, { data: {} })), {
      ca: { certificate: '', privateKey: '' },
      caBundle: '',
      serving: { certificate: '', privateKey: '' },
      nextCa: undefined,
      former: undefined,
      phase: 'stable',
      phaseSince: undefined,
    });
  });

  test('fromSecret returns invalid content of the Secret unchanged, so that decide() finds it', () => {
    const read = fromSecret(stored(set, { data: { 'ca.crt': toBase64('junk'), 'tls.crt': toBase64('more junk') } }));
    assert.deepEqual([read.ca.certificate, read.caBundle, read.serving.certificate], ['junk', 'junk', 'more junk']);
  });
});

test('the Secret has no annotations that describe an unreadable certificate', () => {
  const damaged = { ...set, ca: { ...set.ca, certificate: 'junk' as Pem } };
  const { annotations } = toSecret(damaged, certificateOptions());
  const ofCa = Object.entries(annotations).filter(([name]) => name.startsWith(annotation('ca-')));
  assert.equal(ofCa.length, 3);
  for (const [name, value] of ofCa) assert.equal(value, null, name);
});
