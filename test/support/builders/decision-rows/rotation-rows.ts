import type { CertificatePair, CertificateSet } from '../../../../src/certs/certificate-set.ts';
import { joinCertificates, type Pem } from '../../../../src/lib/pem.ts';
import { aCertificateAuthority, ISSUED_AT } from '../a-certificate-set.ts';
import { hasExtension, hasNegativeSerial } from '../a-damaged-set.ts';
import { altered } from '../altered.ts';
import { after, DAY_MS, type DecisionRow, empty, half, junk, options, other, set } from './common.ts';

const SETTLE_MS = options.settleMs;
const next = await aCertificateAuthority({ options, nth: 3 });
const foreign = await aCertificateAuthority({ options: { names: { dns: ['other.ops.svc'], ip: [] } } });
const shortLived = await aCertificateAuthority({ options: { ...options, caLifetimeMs: DAY_MS } });

/** `set` at the start of a rotation to `nextCa`. */
const announced = (nextCa: CertificatePair = next): CertificateSet => ({
  ...set,
  nextCa,
  caBundle: joinCertificates([set.ca.certificate, nextCa.certificate]),
  phase: 'publishing',
  phaseSince: ISSUED_AT,
});
/** `set` at the start of a rotation in which its CA replaced the lost CA of `other`. */
const inPlace: CertificateSet = {
  ...set,
  caBundle: joinCertificates([set.ca.certificate, other.ca.certificate]),
  phase: 'publishing',
  phaseSince: ISSUED_AT,
};
const rotations = { 'with a next CA': announced(), 'after the loss of the CA': inPlace };

const rowsOf = ([kind, publishing]: [string, CertificateSet]): DecisionRow[] => {
  const { caBundle } = publishing;
  const first = publishing.ca.certificate;
  const second = caBundle.replace(first, '');
  const settling: CertificateSet = { ...publishing, phase: 'settling' };
  const retiring: CertificateSet = { ...publishing, nextCa: undefined, phase: 'retiring' };
  const isBack = { liveBundle: caBundle };
  const rows: DecisionRow[] = [
    { what: 'publishing, without a live bundle', set: publishing, expected: 'keep' },
    { what: 'publishing, with an empty live bundle', set: publishing, liveBundle: empty, expected: 'keep' },
    {
      what: 'publishing, with only the first CA in the live bundle',
      set: publishing,
      liveBundle: first as Pem,
      expected: 'keep',
    },
    {
      what: 'publishing, with only the second CA in the live bundle',
      set: publishing,
      liveBundle: second as Pem,
      expected: 'keep',
    },
    { what: 'publishing for a day without a live bundle', set: publishing, at: after(DAY_MS), expected: 'keep' },
    { what: 'publishing, with both CAs in the live bundle', set: publishing, ...isBack, expected: 'settle' },
    {
      what: 'publishing, with both CAs and others in the live bundle',
      set: publishing,
      liveBundle: joinCertificates([foreign.certificate, second, first]),
      expected: 'settle',
    },
    {
      what: 'publishing since an unknown time, with both CAs in the live bundle',
      set: { ...publishing, phaseSince: undefined },
      ...isBack,
      expected: 'settle',
    },

    {
      what: 'settling, just before the end of the settle time',
      set: settling,
      ...isBack,
      at: after(SETTLE_MS - 1),
      expected: 'keep',
    },
    {
      what: 'settling, at the end of the settle time',
      set: settling,
      ...isBack,
      at: after(SETTLE_MS),
      expected: 'switch',
    },
    {
      what: 'settling, at the end of a shorter settle time',
      set: settling,
      ...isBack,
      at: after(1000),
      options: { settleMs: 1000 },
      expected: 'switch',
    },
    {
      what: 'settling, at the end of the settle time, with a CA removed from the live bundle',
      set: settling,
      liveBundle: first as Pem,
      at: after(SETTLE_MS),
      expected: 'publish',
    },
    {
      what: 'settling, at the end of the settle time, without a live bundle',
      set: settling,
      at: after(SETTLE_MS),
      expected: 'publish',
    },
    {
      what: 'settling since an unknown time',
      set: { ...settling, phaseSince: undefined },
      ...isBack,
      expected: 'settle',
    },
    {
      what: 'settling since a future time, seen by this process for just less than the settle time',
      set: { ...settling, phaseSince: after(DAY_MS) },
      ...isBack,
      phaseSeenMs: SETTLE_MS - 1,
      expected: 'keep',
    },
    {
      what: 'settling since a future time, seen by this process for the settle time',
      set: { ...settling, phaseSince: after(DAY_MS) },
      ...isBack,
      phaseSeenMs: SETTLE_MS,
      expected: 'switch',
    },
    {
      what: 'settling for a day by the annotation, seen by this process for just less than the settle time',
      set: settling,
      ...isBack,
      at: after(DAY_MS),
      phaseSeenMs: SETTLE_MS - 1,
      expected: 'keep',
    },
    {
      what: 'settling, just before the end of the settle time, seen by this process for longer',
      set: settling,
      ...isBack,
      at: after(SETTLE_MS - 1),
      phaseSeenMs: DAY_MS,
      expected: 'keep',
    },

    {
      what: 'retiring, just before the end of the settle time',
      set: retiring,
      at: after(SETTLE_MS - 1),
      expected: 'keep',
    },
    { what: 'retiring, at the end of the settle time', set: retiring, at: after(SETTLE_MS), expected: 'retire' },
    { what: 'retiring since an unknown time', set: { ...retiring, phaseSince: undefined }, expected: 'switch' },
    {
      what: 'retiring since a future time, seen by this process for just less than the settle time',
      set: { ...retiring, phaseSince: after(DAY_MS) },
      phaseSeenMs: SETTLE_MS - 1,
      expected: 'keep',
    },
    {
      what: 'retiring since a future time, seen by this process for the settle time',
      set: { ...retiring, phaseSince: after(DAY_MS) },
      phaseSeenMs: SETTLE_MS,
      expected: 'retire',
    },
    {
      what: 'retiring for a day by the annotation, seen by this process for just less than the settle time',
      set: retiring,
      at: after(DAY_MS),
      phaseSeenMs: SETTLE_MS - 1,
      expected: 'keep',
    },
  ];
  return rows.map((row) => ({ ...row, what: `a rotation ${kind}, ${row.what}` }));
};

const demoted = altered(next, { change: hasExtension('basicConstraints', { cA: false, critical: true }) });

const damagedRows: readonly DecisionRow[] = [
  { what: 'without its key', set: announced({ ...next, privateKey: empty }), expected: 'announce ca-lost' },
  { what: 'without its certificate', set: announced({ ...next, certificate: empty }), expected: 'announce ca-lost' },
  { what: 'that is unparsable', set: announced({ ...next, certificate: junk }), expected: 'announce unparsable' },
  { what: 'that is not PEM', set: announced({ ...next, certificate: 'x' as Pem }), expected: 'announce unparsable' },
  {
    what: 'with half a key',
    set: announced({ ...next, privateKey: half(next.privateKey) }),
    expected: 'announce unparsable',
  },
  {
    what: 'with the key of another CA',
    set: announced({ ...next, privateKey: set.ca.privateKey }),
    expected: 'announce key-mismatch',
  },
  { what: 'for other names', set: announced(foreign), expected: 'announce missing-name' },
  { what: 'that is not a CA', set: announced(demoted), expected: 'announce wrong-usage' },
  {
    what: 'that another CA has signed',
    set: announced(altered(next, { signer: set.ca })),
    expected: 'announce wrong-usage',
  },
  {
    what: 'with a negative serial number',
    set: announced(altered(next, { change: hasNegativeSerial })),
    expected: 'announce negative-serial',
  },
  { what: 'just before its notAfter', set: announced(shortLived), at: after(DAY_MS - 1), expected: 'keep' },
  { what: 'at its notAfter', set: announced(shortLived), at: after(DAY_MS), expected: 'announce expired' },
];

/** Decisions during a rotation. */
export const rotationRows: readonly DecisionRow[] = [
  ...Object.entries(rotations).flatMap(rowsOf),
  ...damagedRows.flatMap((row) => [
    { ...row, what: `the phase publishing with a next CA ${row.what}` },
    {
      ...row,
      what: `the phase settling with a next CA ${row.what}`,
      set: row.set && ({ ...row.set, phase: 'settling', phaseSince: row.at ?? ISSUED_AT } as const),
      liveBundle: row.set?.caBundle,
    },
  ]),
];
