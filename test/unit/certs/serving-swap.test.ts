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
  { what: 'a certificate of a new CA whose settle time is over', expected: 'present' },
  { what: 'the presented certificate', presented: fresh.serving.certificate, expected: 'already' },
  {
    what: 'the presented certificate, even if the live bundle does not verify it',
    presented: fresh.serving.certificate,
    liveBundle: old.caBundle,
    expected: 'already',
  },
  { what: 'a certificate that the live bundle does not verify', liveBundle: old.caBundle, expected: 'not-trusted-yet' },
  { what: 'a certificate while the live bundle is empty', liveBundle: '' as Pem, expected: 'not-trusted-yet' },
  { what: 'a certificate for another name', names: { dns: ['other.ops.svc'], ip: [] }, expected: 'not-trusted-yet' },
  {
    what: 'a certificate that has only the first of two names',
    names: { dns: [shownName, 'x.y'], ip: [] },
    expected: 'present',
  },
  { what: 'a certificate for client authentication', serving: forClients, expected: 'not-trusted-yet' },
  { what: 'a certificate that is not valid yet', now: after(-2 * 3_600_000), expected: 'not-trusted-yet' },
  { what: 'a certificate of a new CA within its settle time', isWaiting: true, expected: 'settling' },
  {
    what: 'a certificate of a new CA within its settle time, just before the presented one expires',
    isWaiting: true,
    serving: longLived,
    now: after(90 * DAY_MS - 1),
    expected: 'settling',
  },
  {
    what: 'a certificate of a new CA within its settle time, when the presented one has expired',
    isWaiting: true,
    serving: longLived,
    now: after(90 * DAY_MS),
    expected: 'present',
  },
  {
    what: 'a certificate of a new CA within its settle time, when the live bundle no longer verifies the presented one',
    isWaiting: true,
    liveBundle: fresh.caBundle,
    expected: 'present',
  },
  {
    what: 'a certificate of a new CA within its settle time, when the presented one is unparsable',
    isWaiting: true,
    presented: 'junk' as Pem,
    expected: 'present',
  },
  {
    what: 'a renewed certificate of a new CA within its settle time, when the presented one is of this CA too',
    isWaiting: true,
    presented: fresh.serving.certificate,
    serving: renewed,
    expected: 'present',
  },
];

describe('the decision whether to present a serving certificate', () => {
  for (const { what, expected, ...row } of rows) {
    test(`decidePresentation returns ${expected} for ${what}`, () => {
      const { presented = old.serving.certificate, serving = fresh.serving, isWaiting = false } = row;
      const { names = options.names, liveBundle = both, now = ISSUED_AT } = row;
      const candidate = { serving, waiting: isWaiting ? fresh.ca.certificate : undefined };
      const { decidePresentation } = createServingSwap({ names });
      assert.equal(decidePresentation(candidate, { presented, liveBundle, now }), expected);
    });
  }
});

test('decidePresentation returns present for the first certificate of a process, because no API server calls it yet', () => {
  const { decidePresentation } = createServingSwap(options);
  const candidate = { serving: fresh.serving, waiting: fresh.ca.certificate };
  for (const liveBundle of [undefined, old.caBundle]) {
    assert.equal(decidePresentation(candidate, { now: ISSUED_AT, liveBundle }), 'present');
  }
});

describe('the CA whose settle time is not over', () => {
  const waits = { stable: false, publishing: true, settling: true, retiring: false } as const;
  for (const [phase, isWaiting] of Object.entries(waits) as [keyof typeof waits, boolean][]) {
    test(`in the rotation phase ${phase}, waitingAuthority returns ${isWaiting ? 'the current CA as not yet trusted, also if there is a next CA' : 'undefined'}`, () => {
      assert.equal(waitingAuthority({ ...fresh, phase }), isWaiting ? fresh.ca.certificate : undefined);
      const withNext = { ...old, nextCa: fresh.ca, phase };
      assert.equal(waitingAuthority(withNext), isWaiting ? old.ca.certificate : undefined);
    });
  }
});
