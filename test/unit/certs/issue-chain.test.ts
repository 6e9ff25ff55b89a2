import assert from 'node:assert/strict';
import { once } from 'node:events';
import { describe, type TestContext, test } from 'node:test';
import { createServer } from 'node:tls';
import type { CertificateSet, ServerNames } from '../../../src/certs/certificate-set.ts';
import { issueCertificateAuthority, issueServingCertificate } from '../../../src/certs/issue.ts';
import { joinCertificates } from '../../../src/lib/pem.ts';
import {
  aCertificateSet,
  certificateOptions,
  ISSUED_AT,
  SERVER_NAME,
} from '../../support/builders/a-certificate-set.ts';
import { withCommonName } from '../../support/builders/distinguished-names.ts';
import { opensslVerify } from '../../support/cluster/openssl.ts';
import { presentedCertificate } from '../../support/cluster/tls-client.ts';

const HOUR_MS = 3_600_000;
const addresses = ['127.0.0.1', '::1'];
const { names } = certificateOptions();

const set = await aCertificateSet();
const byAddress = await aCertificateSet({ options: { names: { dns: [], ip: addresses } } });

describe('openssl verifies certificates of the daemon', () => {
  for (const hostname of names.dns) {
    test(`openssl verifies the serving certificate for ${hostname}`, async () => {
      assert.equal(await opensslVerify(set.serving.certificate, { ca: set.caBundle, at: ISSUED_AT, hostname }), 'OK');
    });
  }

  for (const ip of addresses) {
    test(`openssl verifies the serving certificate for the address ${ip}`, async () => {
      const { serving, caBundle } = byAddress;
      assert.equal(await opensslVerify(serving.certificate, { ca: caBundle, at: ISSUED_AT, ip }), 'OK');
    });
  }

  test('openssl verifies the serving certificate with a bundle in which another CA with the same subject comes first', async () => {
    const other = await aCertificateSet({ nth: 2 });
    const ca = joinCertificates([other.caBundle, set.caBundle]);
    const answer = await opensslVerify(set.serving.certificate, { ca, at: ISSUED_AT, hostname: SERVER_NAME });
    assert.equal(answer, 'OK');
  });

  test('openssl verifies the new serving certificate with a clock that is almost one hour behind', async () => {
    const at = new Date(ISSUED_AT.getTime() - HOUR_MS + 1000);
    assert.equal(await opensslVerify(set.serving.certificate, { ca: set.caBundle, at, hostname: SERVER_NAME }), 'OK');
  });

  test('openssl verifies a certificate that is valid beyond 2050 at a time in 2055', async () => {
    const lifetimeMs = 40 * 365 * 24 * HOUR_MS;
    const { serving, caBundle } = await aCertificateSet({
      options: { caLifetimeMs: lifetimeMs, servingLifetimeMs: lifetimeMs },
    });
    const at = new Date('2055-01-01T00:00:00Z');
    assert.equal(await opensslVerify(serving.certificate, { ca: caBundle, at, hostname: SERVER_NAME }), 'OK');
  });

  test('openssl verifies a serving certificate whose CA has a non-ASCII subject', async () => {
    const caSubject = withCommonName(certificateOptions().caSubject, 'Зона 東京 ü');
    const { serving, caBundle } = await aCertificateSet({ options: { caSubject } });
    const answer = await opensslVerify(serving.certificate, { ca: caBundle, at: ISSUED_AT, hostname: SERVER_NAME });
    assert.equal(answer, 'OK');
  });
});

describe('openssl refuses certificates for other names', () => {
  const signedBy = async ({ ca, caBundle }: CertificateSet, wanted: ServerNames): Promise<string> => {
    const { certificate } = await issueServingCertificate(certificateOptions({ names: wanted }), ca, ISSUED_AT);
    return opensslVerify(certificate, { ca: caBundle, at: ISSUED_AT });
  };

  test('openssl refuses a certificate of our CA for another name', async () => {
    const answer = await signedBy(set, { dns: ['kubernetes.default.svc'], ip: [] });
    assert.match(answer, /permitted subtree violation/);
  });

  test('openssl refuses a certificate of our CA that is for our name and for another name', async () => {
    const answer = await signedBy(set, { dns: [SERVER_NAME, 'kubernetes.default.svc'], ip: [] });
    assert.match(answer, /permitted subtree violation/);
  });

  for (const ip of addresses) {
    test(`openssl refuses a certificate for the address ${ip} if its CA can issue only for DNS names`, async () => {
      assert.match(await signedBy(set, { dns: [], ip: [ip] }), /excluded subtree violation/);
    });
  }

  test('openssl refuses a certificate for a DNS name if its CA can issue only for IP addresses', async () => {
    assert.match(await signedBy(byAddress, { dns: ['kubernetes.default.svc'], ip: [] }), /excluded subtree violation/);
  });

  test('openssl refuses a certificate for the address 127.0.0.2 if its CA can issue only for other addresses', async () => {
    assert.match(await signedBy(byAddress, { dns: [], ip: ['127.0.0.2'] }), /permitted subtree violation/);
  });

  test('openssl refuses a certificate of an intermediate CA below our CA', async () => {
    const below = await issueServingCertificate(certificateOptions(), set.ca, ISSUED_AT);
    const { certificate } = await issueServingCertificate(certificateOptions(), below, ISSUED_AT);
    const ca = joinCertificates([set.caBundle, below.certificate]);
    assert.match(await opensslVerify(certificate, { ca, at: ISSUED_AT }), /error \d+ at \d depth lookup/);
  });

  test('openssl refuses our serving certificate for another name', async () => {
    const request = { ca: set.caBundle, at: ISSUED_AT, hostname: 'other.vela-system.svc' };
    assert.match(await opensslVerify(set.serving.certificate, request), /hostname mismatch/);
  });
});

describe('a TLS client that trusts only the CA bundle', () => {
  /** Issues certificates that are valid now, because Node.js verifies with the current time. */
  const fresh = (options = {}) => aCertificateSet({ issuedAt: today, options });
  const today = new Date();

  for (const name of names.dns) {
    test(`a TLS client with the CA bundle connects to the endpoint by the name ${name}`, async (t) => {
      const { serving, caBundle } = await fresh();
      const port = await listen(t, { serving });
      const { serialNumber } = await presentedCertificate(port, { ca: caBundle, servername: name });
      assert.match(serialNumber, /^[4-7]/);
    });
  }

  test('a TLS client with the CA bundle does not connect to the endpoint by another name', async (t) => {
    const { serving, caBundle } = await fresh();
    const port = await listen(t, { serving });
    const client = presentedCertificate(port, { ca: caBundle, servername: 'other.vela-system.svc' });
    await assert.rejects(client, { code: 'ERR_TLS_CERT_ALTNAME_INVALID' });
  });

  test('a TLS client that trusts another CA with the same subject does not connect', async (t) => {
    const { serving } = await fresh();
    const { caBundle } = await aCertificateSet({ issuedAt: today, nth: 2 });
    const port = await listen(t, { serving });
    await assert.rejects(presentedCertificate(port, { ca: caBundle, servername: SERVER_NAME }), /./);
  });

  test('a TLS client accepts a serving certificate with a non-ASCII subject', async (t) => {
    const caSubject = withCommonName(certificateOptions().caSubject, 'Зона 東京 ü');
    const { serving, caBundle } = await fresh({ caSubject });
    const port = await listen(t, { serving });
    const { issuer } = await presentedCertificate(port, { ca: caBundle, servername: SERVER_NAME });
    assert.equal(issuer.CN, 'Зона 東京 ü');
  });
});

async function listen(t: TestContext, { serving }: Pick<CertificateSet, 'serving'>): Promise<number> {
  const server = createServer({ cert: serving.certificate, key: serving.privateKey }, (socket) => {
    socket.on('error', () => {});
  });
  server.on('tlsClientError', () => {});
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  const address = server.address();
  return typeof address === 'object' && address ? address.port : 0;
}

test('issuing a certificate does not block the event loop during key generation', async () => {
  const attempts = 3;
  const shares: number[] = [];
  while (shares.length < attempts && !shares.some((share) => share < 1 / 4)) {
    shares.push(
      await largestBlockedShare(() => issueCertificateAuthority(certificateOptions({ keySize: 3072 }), ISSUED_AT)),
    );
  }
  // If key generation blocked the event loop, one call would block it for at least a third of the time of three calls.
  assert.ok(
    shares.some((share) => share < 1 / 4),
    `the event loop stood still for these shares of the time: ${shares}`,
  );
});

/**
 * Makes three calls in a row. Returns the longest time without a turn of the event loop, as a share of the total time.
 */
async function largestBlockedShare(call: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  let [last, largest] = [start, 0];
  const tick = () => {
    const now = performance.now();
    largest = Math.max(largest, now - last);
    last = now;
  };
  const timer = setInterval(tick, 1);
  for (let calls = 0; calls < 3; calls += 1) await call();
  tick();
  clearInterval(timer);
  return largest / (performance.now() - start);
}
