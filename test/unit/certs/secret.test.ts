import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { describe, test } from 'node:test';
import { caReason, fromSecret, toSecret } from '../../../src/certs/secret.ts';
import { joinCertificates, type Pem, toBase64 } from '../../../src/encodings.ts';
import { aCertificateSet, certificateOptions, stored } from '../../support/a-certificate-set.ts';

const set = await aCertificateSet();
const other = await aCertificateSet({ nth: 2 });
const issuedBecause = { ca: 'absent', serving: 'due' } as const;

describe('the content of the Secret', () => {
  test('is read back as it was written', () => {
    const { data } = toSecret(set, certificateOptions(), issuedBecause);
    assert.deepEqual(fromSecret(stored(set, { data })), set);
  });

  test('has the keys of a TLS Secret, and the CA beside them, in base64 of PEM', () => {
    const { data } = toSecret(set, certificateOptions(), issuedBecause);
    assert.deepEqual(data, {
      'tls.crt': Buffer.from(set.serving.certificate).toString('base64'),
      'tls.key': Buffer.from(set.serving.privateKey).toString('base64'),
      'ca.crt': Buffer.from(set.caBundle).toString('base64'),
      'ca.key': Buffer.from(set.ca.privateKey).toString('base64'),
    });
  });

  test('is marked as the work of the daemon, and by no other label', () => {
    const { labels } = toSecret(set, certificateOptions(), issuedBecause);
    assert.deepEqual(labels, { 'app.kubernetes.io/managed-by': 'terraform-daemon' });
  });

  test('tells a person what is in there, and nothing that is secret', () => {
    const { annotations } = toSecret(set, certificateOptions(), issuedBecause);
    assert.deepEqual(annotations, {
      'terraform.job.kb.io/ca-not-after': '2036-02-27T12:00:00Z',
      'terraform.job.kb.io/ca-fingerprint-sha256': new X509Certificate(set.ca.certificate).fingerprint256,
      'terraform.job.kb.io/ca-issued-at': '2026-03-01T12:00:00Z',
      'terraform.job.kb.io/ca-issued-because': 'absent',
      'terraform.job.kb.io/serving-not-after': '2026-05-30T12:00:00Z',
      'terraform.job.kb.io/serving-fingerprint-sha256': new X509Certificate(set.serving.certificate).fingerprint256,
      'terraform.job.kb.io/serving-issued-at': '2026-03-01T12:00:00Z',
      'terraform.job.kb.io/serving-issued-because': 'due',
      'terraform.job.kb.io/names':
        'terraform-job-webhook-service.vela-system.svc, ' +
        'terraform-job-webhook-service.vela-system.svc.cluster.local, ' +
        'terraform-job-webhook-service.vela-system, terraform-job-webhook-service',
    });
  });

  test('tells the addresses that it is for', () => {
    const options = certificateOptions({ names: { dns: [], ip: ['127.0.0.1', '::1'] } });
    const { annotations } = toSecret(set, options, issuedBecause);
    assert.equal(annotations['terraform.job.kb.io/names'], '127.0.0.1, ::1');
  });
});

describe('reading a Secret', () => {
  test('takes the first certificate of the bundle for the CA that signs', () => {
    const caBundle = joinCertificates([set.caBundle, other.caBundle]);
    const read = fromSecret(stored({ ...set, caBundle }));
    assert.deepEqual(read, { ...set, caBundle });
    assert.equal(read.ca.certificate, set.ca.certificate);
  });

  test('answers empty text for what is missing', () => {
    assert.deepEqual(fromSecret(stored(set, { data: {} })), {
      ca: { certificate: '', privateKey: '' },
      caBundle: '',
      serving: { certificate: '', privateKey: '' },
    });
  });

  test('answers junk as it is, for others to judge', () => {
    const read = fromSecret(stored(set, { data: { 'ca.crt': toBase64('junk'), 'tls.crt': toBase64('more junk') } }));
    assert.deepEqual([read.ca.certificate, read.caBundle, read.serving.certificate], ['junk', 'junk', 'more junk']);
  });
});

describe('why the CA was issued', () => {
  test('is what the Secret says', () => {
    const { annotations } = toSecret(set, certificateOptions(), { ca: 'ca-lost', serving: 'due' });
    assert.equal(caReason(stored(set, { annotations })), 'ca-lost');
  });

  test('is that there was none, in a Secret that does not say', () => {
    assert.equal(caReason(stored(set, { annotations: {} })), 'absent');
  });
});

test('a part that cannot be read has no annotations', () => {
  const damaged = { ...set, ca: { ...set.ca, certificate: 'junk' as Pem } };
  const { annotations } = toSecret(damaged, certificateOptions(), issuedBecause);
  assert.deepEqual(
    Object.keys(annotations).filter((name) => name.includes('/ca-')),
    [],
  );
});
