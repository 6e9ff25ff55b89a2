import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { ServerNames } from '../../../src/certs/certificate-set.ts';
import { issueServingCertificate } from '../../../src/certs/issue.ts';
import { createServingSwap, type Presentation, waitingAuthority } from '../../../src/certs/serving-swap.ts';
import { joinCertificates, type Pem } from '../../../src/lib/pem.ts';
import { aCertificateSet, certificateOptions, ISSUED_AT } from '../../support/builders/a-certificate-set.ts';
import { hasExtension } from '../../support/builders/a-damaged-set.ts';
import { altered } from '../../support/builders/altered.ts';

const DAY_MS = 24 * 3_600_000;
const after = (ms: number): Date => new Date(ISSUED_AT.getTime() + ms);
const options = certificateOptions();
const [shownName = ''] = options.names.dns;

const old = await aCertificateSet({ options: { servingLifetimeMs: 90 * DAY_MS } });
const fresh = await aCertificateSet({ nth: 2 });
const renewed = await issueServingCertificate(options, fresh.ca, ISSUED_AT);
const longLived = await issueServingCertificate({ ...options, servingLifetimeMs: 180 * DAY_MS }, fresh.ca, ISSUED_AT);
const forClients = altered(fresh.serving, {
  signer: fresh.ca,
  change: hasExtension('extKeyUsage', { clientAuth: true }),
});
const both = joinCertificates([fresh.caBundle, old.caBundle]);

interface Row {
  readonly what: string;
  readonly presented?: Pem;
  readonly serving?: typeof fresh.serving;
  readonly isWaiting?: boolean;
  readonly liveBundle?: Pem;
  readonly names?: ServerNames;
  readonly now?: Date;
  readonly expected: Presentation;
}

/**
 * Default of each row: the stored certificate is of a new CA, the presented one of the old CA, and the live bundle
 * verifies both.
 */
const rows: readonly Row[] = [
  { what: 'one of a new authority that does not wait', expected: 'present' },
  { what: 'the one that is presented', presented: fresh.serving.certificate, expected: 'already' },
  {
    what: 'the one that is presented, though nobody trusts it',
    presented: fresh.serving.certificate,
    liveBundle: old.caBundle,
    expected: 'already',
  },
  { what: 'one that the live bundle does not verify', liveBundle: old.caBundle, expected: 'not-trusted-yet' },
  { what: 'one before an empty live bundle', liveBundle: '' as Pem, expected: 'not-trusted-yet' },
  { what: 'one for another name', names: { dns: ['other.ops.svc'], ip: [] }, expected: 'not-trusted-yet' },
  { what: 'one for the first of the names alone', names: { dns: [shownName, 'x.y'], ip: [] }, expected: 'present' },
  { what: 'one that is for clients', serving: forClients, expected: 'not-trusted-yet' },
  { what: 'one that is not yet valid', now: after(-2 * 3_600_000), expected: 'not-trusted-yet' },
  { what: 'one of a new authority that waits', isWaiting: true, expected: 'settling' },
  {
    what: 'one of a new authority that waits, just before the one presented expires',
    isWaiting: true,
    serving: longLived,
    now: after(90 * DAY_MS - 1),
    expected: 'settling',
  },
  {
    what: 'one of a new authority that waits, when the one presented has expired',
    isWaiting: true,
    serving: longLived,
    now: after(90 * DAY_MS),
    expected: 'present',
  },
  {
    what: 'one of a new authority that waits, when the one presented is no longer trusted',
    isWaiting: true,
    liveBundle: fresh.caBundle,
    expected: 'present',
  },
  {
    what: 'one of a new authority that waits, when junk is presented',
    isWaiting: true,
    presented: 'junk' as Pem,
    expected: 'present',
  },
  {
    what: 'another one of a new authority that waits and is presented already',
    isWaiting: true,
    presented: fresh.serving.certificate,
    serving: renewed,
    expected: 'present',
  },
];

describe('the decision whether to present', () => {
  for (const { what, expected, ...row } of rows) {
    test(`${what}: ${expected}`, () => {
      const { presented = old.serving.certificate, serving = fresh.serving, isWaiting = false } = row;
      const { names = options.names, liveBundle = both, now = ISSUED_AT } = row;
      const candidate = { serving, waiting: isWaiting ? fresh.ca.certificate : undefined };
      const { decidePresentation } = createServingSwap({ names });
      assert.equal(decidePresentation(candidate, { presented, liveBundle, now }), expected);
    });
  }
});

test('the first certificate is presented at once, because no API server calls yet', () => {
  const { decidePresentation } = createServingSwap(options);
  const candidate = { serving: fresh.serving, waiting: fresh.ca.certificate };
  for (const liveBundle of [undefined, old.caBundle]) {
    assert.equal(decidePresentation(candidate, { now: ISSUED_AT, liveBundle }), 'present');
  }
});

describe('the authority that waits', () => {
  const waits = { stable: false, publishing: true, settling: true, retiring: false } as const;
  for (const [phase, isWaiting] of Object.entries(waits) as [keyof typeof waits, boolean][]) {
    test(`in the phase ${phase} the waiting CA is ${isWaiting ? 'the current one, unless it is announced as the next' : 'none'}`, () => {
      assert.equal(waitingAuthority({ ...fresh, phase }), isWaiting ? fresh.ca.certificate : undefined);
      assert.equal(waitingAuthority({ ...old, nextCa: fresh.ca, phase }), undefined);
    });
  }
});
