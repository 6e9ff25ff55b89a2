import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { CertificateSet } from '../../../../src/certs/certificate-set.ts';
import type { InspectionReport } from '../../../../src/commands/inspect/report.ts';
import { joinCertificates, type Pem } from '../../../../src/lib/pem.ts';
import { matchConditions } from '../../../../src/policy/cel.ts';
import { aCertificateSet, ISSUED_AT, stored } from '../../../support/builders/a-certificate-set.ts';
import { anInspection, aRegistration, type Sight } from '../../../support/builders/an-inspection.ts';

const DAY_MS = 86_400_000;
const MINUTE_MS = 60_000;
const set = await aCertificateSet();
const other = await aCertificateSet({ nth: 2 });
const empty = '' as Pem;

const paused = { ...stored(set).annotations, 'terraform.job.kb.io/paused': 'true' };
const asked = { ...stored(set).annotations, 'terraform.job.kb.io/rotate': 'ca' };
const after = (ms: number): Date => new Date(ISSUED_AT.getTime() + ms);
/** Returns a set during a rotation to the CA of `other`. */
const rotating = (phase: CertificateSet['phase'], phaseSince: Date): CertificateSet => ({
  ...set,
  caBundle: joinCertificates([set.caBundle, other.caBundle]),
  nextCa: phase === 'retiring' ? undefined : other.ca,
  phase,
  phaseSince,
});
const replaced = (phaseSince: Date): CertificateSet => ({
  ...rotating('publishing', phaseSince),
  nextCa: undefined,
});
const answered = { outcome: 'answered', address: '10.0.0.1:443' } as const;
const withEntry = (fields: object) => {
  const live = aRegistration(set.caBundle);
  return { ...live, webhooks: [{ ...live.webhooks[0], ...fields }] };
};
const atOtherPort = () => {
  const live = aRegistration(set.caBundle);
  const [entry] = live.webhooks;
  const service = { namespace: 'vela-system', name: 'terraform-job-webhook-service', port: 8443 };
  return { ...live, webhooks: [{ ...entry, clientConfig: { caBundle: entry.clientConfig.caBundle ?? '', service } }] };
};

interface Row extends Omit<Sight, 'set'> {
  readonly set?: CertificateSet;
  /** Default: the verdict that follows from the expected problems. */
  readonly verdict?: InspectionReport['verdict'];
  /** For each expected problem: its reason, its object, and a part of the suggested command. */
  readonly expected: readonly (readonly [string, string, string])[];
}

const RESTART = 'rollout restart';
const rows: Readonly<Record<string, Row>> = {
  'all is well': { expected: [] },
  'a selector that excludes, as platforms add them': {
    facts: {
      registration: withEntry({
        namespaceSelector: { matchExpressions: [{ key: 'control-plane', operator: 'DoesNotExist' }] },
      }),
    },
    expected: [],
  },
  'a selector that leaves out all that is not labelled': {
    facts: { registration: withEntry({ objectSelector: { matchLabels: { a: 'b' } } }) },
    expected: [['narrowed', 'registration', 'kubectl edit']],
  },
  'a rotation asked for in words that say nothing': {
    secret: { annotations: { ...stored(set).annotations, 'terraform.job.kb.io/rotate': 'both' } },
    expected: [['invalid-annotation', 'Secret', 'rotate-']],
  },
  'a phase in the annotations that is not the one stored': {
    secret: { annotations: { ...stored(set).annotations, 'terraform.job.kb.io/phase': 'settling' } },
    expected: [['wrong-phase', 'Secret', RESTART]],
  },
  'a certificate that is due soon': { afterMs: 60 * DAY_MS - MINUTE_MS, expected: [] },
  'a certificate that is due': { afterMs: 60 * DAY_MS, expected: [['due', 'Secret', RESTART]] },
  'a certificate that has expired': {
    afterMs: 90 * DAY_MS,
    expected: [['expired', 'Secret', RESTART]],
  },
  'a key that is lost': {
    secret: { data: { ...stored(set).data, 'ca.key': '' } },
    expected: [['ca-lost', 'Secret', RESTART]],
  },
  'a Secret that is immutable': { secret: { isImmutable: true }, expected: [['immutable', 'Secret', RESTART]] },
  'a live bundle that is empty': { liveBundle: empty, expected: [['untrusted', 'registration', RESTART]] },
  'a live bundle of somebody else': {
    liveBundle: other.caBundle,
    expected: [
      ['untrusted', 'registration', RESTART],
      ['foreign-ca', 'registration', RESTART],
    ],
  },
  'a foreign authority beside ours': {
    liveBundle: joinCertificates([set.caBundle, other.caBundle]),
    expected: [['foreign-ca', 'registration', RESTART]],
  },
  'an authority that is there twice': {
    liveBundle: `${set.caBundle}${set.caBundle}` as Pem,
    expected: [['duplicate-ca', 'registration', RESTART]],
  },
  'junk in the live bundle': {
    liveBundle: `${set.caBundle}-----BEGIN CERTIFICATE-----\njunk\n-----END CERTIFICATE-----\n` as Pem,
    expected: [['unparsable-bundle', 'registration', RESTART]],
  },
  'a live bundle of junk alone': {
    liveBundle: 'junk' as Pem,
    expected: [
      ['untrusted', 'registration', RESTART],
      ['unparsable-bundle', 'registration', RESTART],
    ],
  },
  'a daemon that is paused': { secret: { annotations: paused }, expected: [['paused', 'Secret', 'paused-']] },
  'a damage while paused': {
    secret: { annotations: paused },
    afterMs: 60 * DAY_MS,
    expected: [
      ['paused', 'Secret', 'paused-'],
      ['due', 'Secret', 'paused-'],
    ],
  },
  'a Secret of somebody else': { secret: { labels: {} }, expected: [['not-ours', 'Secret', 'label']] },
  'a rotation that was asked for': { secret: { annotations: asked }, expected: [] },
  'a rotation that begins': {
    set: rotating('publishing', after(DAY_MS - MINUTE_MS)),
    liveBundle: set.caBundle,
    expected: [],
  },
  'a rotation that settles': { set: rotating('settling', after(DAY_MS - MINUTE_MS)), expected: [] },
  'a rotation that ends': { set: rotating('retiring', after(DAY_MS - MINUTE_MS)), expected: [] },
  'a new authority in the place of a lost one': {
    set: replaced(after(DAY_MS - MINUTE_MS)),
    liveBundle: other.caBundle,
    facts: { endpoint: { ...answered, certificate: other.serving.certificate, why: undefined } },
    expected: [],
  },
  'a new authority that nobody publishes': {
    set: replaced(after(DAY_MS - 3 * MINUTE_MS)),
    liveBundle: other.caBundle,
    expected: [
      ['stuck', 'Secret', RESTART],
      ['untrusted', 'registration', RESTART],
    ],
  },
  'a rotation that nobody takes on': {
    set: rotating('publishing', after(DAY_MS - 3 * MINUTE_MS)),
    liveBundle: set.caBundle,
    expected: [['stuck', 'Secret', RESTART]],
  },
  'a rotation that does not end': {
    set: rotating('settling', after(DAY_MS - 4 * MINUTE_MS)),
    expected: [['stuck', 'Secret', RESTART]],
  },
  'no registration': {
    facts: { registration: 'absent' },
    expected: [['not-registered', 'registration', RESTART]],
  },
  'a registration without our entry': {
    facts: { registration: { ...aRegistration(empty), webhooks: [] } },
    expected: [['not-registered', 'registration', RESTART]],
  },
  'a registration that was edited': {
    facts: { registration: withEntry({ matchConditions: [] }) },
    expected: [['drift', 'registration', RESTART]],
  },
  'a registration with the conditions of another policy, as a daemon writes them': {
    facts: { registration: withEntry({ matchConditions: matchConditions({ rules: [] }) }) },
    expected: [],
  },
  'a registration with what only the daemon is told': {
    facts: { registration: withEntry({ failurePolicy: 'Fail', timeoutSeconds: 30 }) },
    expected: [],
  },
  'no Secret': {
    facts: { secret: 'absent' },
    expected: [['absent', 'Secret', RESTART]],
  },
  'nothing at all': {
    facts: {
      secret: 'absent',
      registration: 'absent',
      endpoint: { outcome: 'not-dialled', why: 'nothing', how: [] },
    },
    expected: [['not-installed', 'Secret', 'terraform-daemon run']],
  },
  "certificates of somebody's own": {
    options: { 'webhook-cert-path': '/certs' },
    facts: { secret: 'unused' },
    expected: [],
  },
  'a Secret that may not be read': {
    facts: { secret: 'refused' },
    expected: [['forbidden', 'Secret', 'auth can-i get secrets/']],
  },
  'a registration that may not be read': {
    facts: { registration: 'refused' },
    expected: [['forbidden', 'registration', 'auth can-i get mutatingwebhookconfigurations/']],
  },
  'an endpoint that was not called': {
    facts: { endpoint: { outcome: 'not-dialled', why: 'it does not resolve', how: [] } },
    expected: [],
    verdict: 'incomplete',
  },
  'an endpoint that was not called, and something wrong all the same': {
    liveBundle: empty,
    facts: {
      endpoint: { outcome: 'not-dialled', why: 'it does not resolve', how: [] },
      registration: aRegistration(empty),
    },
    expected: [['untrusted', 'registration', RESTART]],
  },
  'an endpoint that does not answer': {
    facts: { endpoint: { outcome: 'failed', address: '10.0.0.1:443', why: 'ECONNREFUSED' } },
    expected: [['unreachable', 'endpoint', 'logs']],
  },
  'an endpoint that is not verified': {
    facts: { endpoint: { ...answered, certificate: set.serving.certificate, why: 'CERT_HAS_EXPIRED' } },
    expected: [['unverified', 'endpoint', RESTART]],
  },
  'an endpoint that has not swapped': {
    facts: { endpoint: { ...answered, certificate: other.serving.certificate, why: undefined } },
    expected: [['not-swapped', 'endpoint', RESTART]],
  },
  'an endpoint that may still swap': {
    afterMs: MINUTE_MS,
    facts: { endpoint: { ...answered, certificate: other.serving.certificate, why: undefined } },
    expected: [],
  },
};

describe('an inspection finds', () => {
  for (const [
    what,
    { expected, verdict = expected.length === 0 ? 'healthy' : 'unhealthy', ...sight },
  ] of Object.entries(rows)) {
    const words = expected.map(([reason]) => reason).join(' and ') || 'nothing wrong';
    test(`inspect finds ${words} with ${what}`, () => {
      const { verdict: found, problems } = anInspection({ set, ...sight });
      assert.deepEqual(
        problems.map(({ reason, where }) => [reason, where]),
        expected.map(([reason, where]) => [reason, where]),
      );
      for (const [index, [, , command]] of expected.entries()) {
        assert.ok(problems[index]?.command.includes(command), problems[index]?.command);
      }
      assert.equal(found, verdict);
    });
  }
});

describe('an inspection tells', () => {
  test('inspect shows the chain and its renewal', () => {
    const { certificateAuthority, serving, next } = anInspection({ set });
    assert.equal(certificateAuthority?.subject, 'C=US, ST=Oregon, L=Portland, O=Kubernetes, OU=CA, CN=Kubernetes');
    assert.equal(serving?.dnsNames[0], 'terraform-job-webhook-service.vela-system.svc');
    assert.match(serving?.sha256 ?? '', /^([0-9A-F]{2}:){31}[0-9A-F]{2}$/);
    assert.deepEqual([serving?.lifetimeMs, serving?.leftMs], [90 * DAY_MS, 89 * DAY_MS]);
    assert.deepEqual(next.renewal, after(60 * DAY_MS));
  });

  test('inspect shows the owner of each trusted CA', () => {
    const { registration } = anInspection({ set, liveBundle: joinCertificates([set.caBundle, other.caBundle]) });
    assert.deepEqual(
      registration.trusts.map(({ isOurs }) => isOurs),
      [true, false],
    );
    const unseen = anInspection({ set, facts: { secret: 'refused' } });
    assert.deepEqual(
      unseen.registration.trusts.map(({ isOurs }) => isOurs),
      [undefined],
    );
  });

  test('inspect shows what a rotation waits for and until when', () => {
    const since = after(DAY_MS - 1000);
    const { phase, until, waitsFor } = anInspection({ set: rotating('settling', since) }).rotation ?? {};
    assert.deepEqual([phase, until], ['settling', new Date(since.getTime() + MINUTE_MS)]);
    assert.match(waitsFor ?? '', /every API server/);
  });

  test('inspect names the options to check if the API server calls another endpoint', () => {
    const [problem] = anInspection({ set, facts: { registration: atOtherPort() } }).problems;
    assert.equal(problem?.reason, 'drift');
    assert.match(problem?.message ?? '', /clientConfig\.service \(does this command have the same --service-…/);
  });

  test('inspect prints no private key', () => {
    const text = JSON.stringify(anInspection({ set: rotating('publishing', after(0)) }));
    assert.doesNotMatch(text, /PRIVATE KEY/);
    for (const { privateKey } of [set.ca, set.serving, other.ca]) {
      for (const line of privateKey.split('\n').filter((one) => one.length > 20)) assert.ok(!text.includes(line));
    }
  });
});
