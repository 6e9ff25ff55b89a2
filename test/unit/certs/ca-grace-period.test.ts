import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { KEPT_MS, keepAuthorities, MOST_KEPT } from '../../../src/certs/ca-grace-period.ts';
import { joinCertificates, type Pem } from '../../../src/lib/pem.ts';
import { aCertificateAuthority } from '../../support/builders/a-certificate-set.ts';

const options = { keySize: 1024 };
const authorities = await Promise.all(
  Array.from({ length: MOST_KEPT + 2 }, async (_, nth) => (await aCertificateAuthority({ options, nth })).certificate),
);
const [own, other, third] = authorities as [Pem, Pem, Pem];

/** The names of those that are kept, and for how long, at a moment on a clock that the test sets. */
function aMemory() {
  const clock = { ms: 0 };
  const kept = keepAuthorities(() => clock.ms);
  const at = (ms: number, live: readonly string[] | undefined, ours = own) => {
    clock.ms = ms;
    return kept(live && joinCertificates(live), ours);
  };
  return { at, kept };
}

describe('an authority that others have put into the live bundle', () => {
  test('is kept for three minutes from when it was seen first, and its end is told', () => {
    const { at } = aMemory();
    assert.deepEqual(at(1_000, [own, other]), { authorities: [other], untilMs: KEPT_MS });
    assert.deepEqual(at(KEPT_MS, [own, other]), { authorities: [other], untilMs: 1_000 });
    assert.deepEqual(at(KEPT_MS + 1_000, [own, other]), { authorities: [], untilMs: undefined });
    assert.deepEqual(at(KEPT_MS + 2_000, [own, other]), { authorities: [], untilMs: undefined }, 'and not anew');
  });

  test('has three minutes of its own', () => {
    const { at } = aMemory();
    at(0, [other]);
    assert.deepEqual(at(60_000, [other, third]), { authorities: [other, third], untilMs: KEPT_MS - 60_000 });
    assert.deepEqual(at(KEPT_MS, [other, third]), { authorities: [third], untilMs: 60_000 });
  });

  test('has them again where it was gone in between', () => {
    const { at } = aMemory();
    at(0, [other]);
    at(KEPT_MS, []);
    assert.deepEqual(at(KEPT_MS + 1, [other]).authorities, [other]);
  });

  test('begins them when it is no longer our own: so our predecessor is kept', () => {
    const { at } = aMemory();
    assert.deepEqual(at(0, [own]).authorities, []);
    assert.deepEqual(at(KEPT_MS, [own], other), { authorities: [own], untilMs: KEPT_MS });
  });

  test('is not there without a registration, nor where it cannot be read', () => {
    const { at, kept } = aMemory();
    assert.deepEqual(at(0, undefined), { authorities: [], untilMs: undefined });
    const junk = '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n' as Pem;
    assert.deepEqual(kept(junk, own).authorities, []);
  });

  test('is one of eight at the most', () => {
    const { at } = aMemory();
    assert.deepEqual(at(0, authorities).authorities, authorities.slice(1, MOST_KEPT + 1));
  });
});
