import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { describe, test } from 'node:test';
import { inspect } from 'node:util';
import { createCertificateLogic } from '../../../src/certs/certificate-logic.ts';
import { issueCertificateAuthority, issueServingCertificate } from '../../../src/certs/issue.ts';
import { OperatorError } from '../../../src/lib/errors.ts';
import type { Pem } from '../../../src/lib/pem.ts';
import {
  aCertificateAuthority,
  aCertificateSet,
  certificateOptions,
  ISSUED_AT,
} from '../../support/builders/a-certificate-set.ts';
import { withCommonName } from '../../support/builders/distinguished-names.ts';
import { extensionsOf, openssl } from '../../support/cluster/openssl.ts';

const HOUR_MS = 3_600_000;
const YEAR_MS = 365 * 24 * HOUR_MS;
const after = (ms: number): Date => new Date(ISSUED_AT.getTime() + ms);

const set = await aCertificateSet();
const ca = new X509Certificate(set.ca.certificate);
const serving = new X509Certificate(set.serving.certificate);

describe('certificates of the daemon', () => {
  for (const [name, certificate] of Object.entries({ CA: ca, serving })) {
    test(`the ${name} certificate is signed with SHA-256`, async () => {
      const { output } = await openssl(['x509', '-noout', '-text'], certificate.toString());
      assert.deepEqual(
        new Set(output.match(/Signature Algorithm: \S+/g)),
        new Set([`Signature Algorithm: ${SHA_256}`]),
      );
    });

    test(`the ${name} certificate is valid from one hour before its issue`, () => {
      assert.deepEqual(certificate.validFromDate, after(-HOUR_MS));
    });
  }

  test('CA and serving certificate expire at issue time plus lifetime', () => {
    assert.deepEqual(ca.validToDate, after(87_600 * HOUR_MS));
    assert.deepEqual(serving.validToDate, after(2160 * HOUR_MS));
  });

  test('CA and serving certificate have a key of --key-size bits', async () => {
    const small = await aCertificateSet({ options: { keySize: 1024 } });
    for (const [pem, size] of [
      [set.ca.certificate, 2048],
      [set.serving.certificate, 2048],
      [small.ca.certificate, 1024],
      [small.serving.certificate, 1024],
    ] as const) {
      assert.equal(new X509Certificate(pem).publicKey.asymmetricKeyDetails?.modulusLength, size);
    }
  });

  test('issued certificates have unique positive serial numbers of 127 bits', async () => {
    const options = certificateOptions({ keySize: 512 });
    const authority = await issueCertificateAuthority(options, ISSUED_AT);
    const pairs = await Promise.all(
      Array.from({ length: 100 }, () => issueServingCertificate(options, authority, ISSUED_AT)),
    );
    const serials = [authority, ...pairs].map(({ certificate }) => new X509Certificate(certificate).serialNumber);
    assert.deepEqual(
      serials.filter((serial) => !/^[4-7][0-9A-F]{31}$/.test(serial)),
      [],
    );
    assert.equal(new Set(serials).size, serials.length);
  });

  test('issued certificates have Unix line ends', () => {
    for (const { certificate, privateKey } of [set.ca, set.serving]) {
      assert.doesNotMatch(certificate + privateKey, /\r/);
      assert.match(certificate, /-----END CERTIFICATE-----\n$/);
      assert.match(privateKey, /-----END RSA PRIVATE KEY-----\n$/);
    }
  });
});

const SHA_256 = 'sha256WithRSAEncryption';

describe('the subject of issued certificates', () => {
  test('the default subject of the CA ends in OU=CA and CN=Kubernetes, and that of the serving certificate in OU=Kubernetes and CN=admission', () => {
    const common = 'C=US\nST=Oregon\nL=Portland\nO=Kubernetes\n';
    assert.equal(ca.subject, `${common}OU=CA\nCN=Kubernetes`);
    assert.equal(ca.issuer, ca.subject);
    assert.equal(serving.subject, `${common}OU=Kubernetes\nCN=admission`);
    assert.equal(serving.issuer, ca.subject);
  });

  test('a subject can have Cyrillic letters, Chinese characters and emoji, and the issuer of the serving certificate matches the CA', async () => {
    const caSubject = withCommonName(certificateOptions().caSubject, 'Зона 東京 ü').map((attribute) =>
      attribute.type === 'L' ? { ...attribute, value: 'São Paulo' } : attribute,
    );
    const options = certificateOptions({ caSubject, servingSubject: withCommonName(caSubject, 'é 🙂') });
    const issued = await aCertificateSet({ options });
    const authority = new X509Certificate(issued.ca.certificate);
    const leaf = new X509Certificate(issued.serving.certificate);
    assert.equal(authority.subject.normalize(), 'C=US\nST=Oregon\nL=São Paulo\nO=Kubernetes\nOU=CA\nCN=Зона 東京 ü');
    assert.match(leaf.subject, /CN=é 🙂$/);
    assert.ok(leaf.checkIssued(authority));
    const { output } = await openssl(['x509', '-noout', '-subject', '-nameopt', 'show_type'], issued.ca.certificate);
    assert.match(output, /C=PRINTABLESTRING:US.*L=UTF8STRING:.*CN=UTF8STRING:/);
  });
});

describe('the extensions of the CA', () => {
  test('the CA can sign only end-entity certificates', async () => {
    const extensions = await extensionsOf(set.ca.certificate);
    assert.equal(extensions['Basic Constraints'], 'critical\nCA:TRUE, pathlen:0');
    assert.equal(extensions['Key Usage'], 'critical\nCertificate Sign, CRL Sign');
    assert.deepEqual(Object.keys(extensions).sort(), [
      'Basic Constraints',
      'Key Usage',
      'Name Constraints',
      'Subject Key Identifier',
    ]);
  });

  test('the CA for names can sign for these names and for no address', async () => {
    const { 'Name Constraints': constraints } = await extensionsOf(set.ca.certificate);
    const [permitted, excluded] = constraintsOf(constraints);
    assert.deepEqual(
      permitted,
      certificateOptions().names.dns.map((name) => `DNS:${name}`),
    );
    assert.deepEqual(excluded, ['IP:0.0.0.0/0.0.0.0', 'IP:0:0:0:0:0:0:0:0/0:0:0:0:0:0:0:0']);
    assert.match(constraints ?? '', /^critical\n/);
  });

  test('the CA for addresses can sign for these addresses and for no name', async () => {
    const authority = await aCertificateAuthority({ options: { names: { dns: [], ip: ['127.0.0.1', '::1'] } } });
    const { 'Name Constraints': constraints } = await extensionsOf(authority.certificate);
    const [permitted, excluded] = constraintsOf(constraints);
    const every = 'FFFF:FFFF:FFFF:FFFF:FFFF:FFFF:FFFF:FFFF';
    assert.deepEqual(permitted, ['IP:127.0.0.1/255.255.255.255', `IP:0:0:0:0:0:0:0:1/${every}`]);
    assert.deepEqual(excluded, ['DNS:']);
  });
});

const constraintsOf = (text = '') => {
  const [, permitted = '', excluded = ''] = text.match(/Permitted:\n(.*)\nExcluded:\n(.*)$/s) ?? [];
  return [permitted.split('\n'), excluded.split('\n')];
};

describe('the extensions of the serving certificate', () => {
  test('the serving certificate is for TLS server and client authentication with the served names', async () => {
    const {
      'Subject Key Identifier': _own,
      'Authority Key Identifier': _ca,
      ...rest
    } = await extensionsOf(set.serving.certificate);
    assert.deepEqual(rest, {
      'Basic Constraints': 'critical\nCA:FALSE',
      'Key Usage': 'critical\nDigital Signature, Key Encipherment',
      'Extended Key Usage': 'TLS Web Server Authentication, TLS Web Client Authentication',
      'Subject Alternative Name': certificateOptions()
        .names.dns.map((name) => `DNS:${name}`)
        .join(', '),
    });
  });

  test('the serving certificate has an authority key identifier, so that CAs with one subject are distinguishable', async () => {
    const other = await aCertificateSet({ nth: 2 });
    const [first, second, leaf] = await Promise.all(
      [set.ca.certificate, other.ca.certificate, set.serving.certificate].map(extensionsOf),
    );
    assert.match(first?.['Subject Key Identifier'] ?? '', /^([0-9A-F]{2}:){19}[0-9A-F]{2}$/);
    assert.equal(leaf?.['Authority Key Identifier']?.replace('keyid:', ''), first?.['Subject Key Identifier']);
    assert.notEqual(second?.['Subject Key Identifier'], first?.['Subject Key Identifier']);
    assert.notEqual(leaf?.['Subject Key Identifier'], first?.['Subject Key Identifier']);
  });

  test('the serving certificate never outlives its CA', async () => {
    const late = await issueServingCertificate(certificateOptions(), set.ca, after(87_500 * HOUR_MS));
    assert.deepEqual(new X509Certificate(late.certificate).validToDate, ca.validToDate);
  });
});

describe('lifetimes beyond 2050', () => {
  test('a certificate can expire after 2050, where ASN.1 requires GeneralizedTime', async () => {
    const options = certificateOptions({ caLifetimeMs: 40 * YEAR_MS, servingLifetimeMs: 30 * YEAR_MS });
    const issued = await aCertificateSet({ options });
    assert.deepEqual(new X509Certificate(issued.ca.certificate).validToDate, after(40 * YEAR_MS));
    assert.deepEqual(new X509Certificate(issued.serving.certificate).validToDate, after(30 * YEAR_MS));
    const { output } = await openssl(['asn1parse'], issued.ca.certificate);
    assert.match(output, /UTCTIME +:260301110000Z.*GENERALIZEDTIME +:20660219120000Z/s);
    assert.equal(createCertificateLogic(options).decide(issued, { now: after(HOUR_MS) }).action, 'keep');
  });

  test('a certificate can be valid from a date after 2050', async () => {
    const issuedAt = new Date('2051-01-01T00:00:00Z');
    const issued = await aCertificateSet({ issuedAt });
    assert.deepEqual(new X509Certificate(issued.serving.certificate).validFromDate, new Date('2050-12-31T23:00:00Z'));
    assert.equal(createCertificateLogic(certificateOptions()).decide(issued, { now: issuedAt }).action, 'keep');
  });
});

describe('errors of issuing', () => {
  const cut = set.ca.privateKey.slice(0, set.ca.privateKey.length / 2);
  const damaged = {
    'an empty key': '',
    'half a key': cut,
    'half a key between BEGIN and END line': `${cut}\n-----END RSA PRIVATE KEY-----\n`,
    'a key with a changed line': set.ca.privateKey.replace(/\n.{64}/, `\n${'A'.repeat(64)}`),
  };
  for (const [what, privateKey] of Object.entries(damaged)) {
    test(`signing with ${what} fails with an error that has a code and the name of the certificate, and no line of the key`, async () => {
      const issue = issueServingCertificate(
        certificateOptions({ keySize: 512 }),
        { ...set.ca, privateKey: privateKey as Pem },
        ISSUED_AT,
      );
      await assert.rejects(issue, (error) => {
        assert.ok(error instanceof OperatorError);
        assert.equal(error.code, 'CERTIFICATE_ISSUE_FAILED');
        assert.match(error.message, /^cannot issue the serving certificate: ./);
        const told = inspect(error, { depth: Number.POSITIVE_INFINITY, showHidden: true });
        const secrets = set.ca.privateKey.split('\n').filter((line) => /^[A-Za-z0-9+/=]{16,}$/.test(line));
        assert.deepEqual(
          secrets.filter((line) => told.includes(line.slice(0, 16))),
          [],
        );
        return true;
      });
    });
  }
});
