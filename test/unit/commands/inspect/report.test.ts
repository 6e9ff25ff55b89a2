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
const elsewhere = await aCertificateSet({ options: { names: { dns: ['elsewhere.svc'], ip: [] } } });
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
  /** Default: the result that follows from the expected problems. */
  readonly verdict?: InspectionReport['verdict'];
  /** For each expected problem: its reason, its object, and a part of the suggested command. */
  readonly expected: readonly (readonly [string, string, string])[];
}

const RESTART = 'rollout restart';
const rows: Readonly<Record<string, Row>> = {
  'a healthy daemon': { expected: [] },
  'a namespaceSelector requirement that excludes labelled namespaces, as platforms add it': {
    facts: {
      registration: withEntry({
        namespaceSelector: { matchExpressions: [{ key: 'control-plane', operator: 'DoesNotExist' }] },
      }),
    },
    expected: [],
  },
  'a selector that excludes namespaces without a label': {
    facts: { registration: withEntry({ objectSelector: { matchLabels: { a: 'b' } } }) },
    expected: [['narrowed', 'registration', 'kubectl edit']],
  },
  'an invalid value of the annotation rotate': {
    secret: { annotations: { ...stored(set).annotations, 'terraform.job.kb.io/rotate': 'both' } },
    expected: [['invalid-annotation', 'Secret', 'rotate-']],
  },
  'a phase annotation that does not fit the stored CAs': {
    secret: { annotations: { ...stored(set).annotations, 'terraform.job.kb.io/phase': 'settling' } },
    expected: [['wrong-phase', 'Secret', RESTART]],
  },
  'a serving certificate just before its renewal is due': { afterMs: 60 * DAY_MS - MINUTE_MS, expected: [] },
  'a serving certificate whose renewal is due': { afterMs: 60 * DAY_MS, expected: [['due', 'Secret', RESTART]] },
  'an expired serving certificate': {
    afterMs: 90 * DAY_MS,
    expected: [['expired', 'Secret', RESTART]],
  },
  'no CA key': {
    secret: { data: { ...stored(set).data, 'ca.key': '' } },
    expected: [['ca-lost', 'Secret', RESTART]],
  },
  'an empty live bundle': { liveBundle: empty, expected: [['untrusted', 'registration', RESTART]] },
  'a live bundle with only a foreign CA': {
    liveBundle: other.caBundle,
    expected: [
      ['untrusted', 'registration', RESTART],
      ['extra-ca', 'registration', 'logs'],
    ],
  },
  'a usable CA beside the CA of the daemon': {
    liveBundle: joinCertificates([set.caBundle, other.caBundle]),
    expected: [['extra-ca', 'registration', 'logs']],
  },
  'a CA for other names beside the CA of the daemon': {
    liveBundle: joinCertificates([set.caBundle, elsewhere.caBundle]),
    expected: [['foreign-ca', 'registration', RESTART]],
  },
  'a repeated CA in the bundle': {
    liveBundle: `${set.caBundle}${set.caBundle}` as Pem,
    expected: [['duplicate-ca', 'registration', RESTART]],
  },
  'an unparsable block in the live bundle': {
    liveBundle: `${set.caBundle}-----BEGIN CERTIFICATE-----\njunk\n-----END CERTIFICATE-----\n` as Pem,
    expected: [['unparsable-bundle', 'registration', RESTART]],
  },
  'an unparsable live bundle': {
    liveBundle: 'junk' as Pem,
    expected: [
      ['untrusted', 'registration', RESTART],
      ['unparsable-bundle', 'registration', RESTART],
    ],
  },
  'the annotation paused': { secret: { annotations: paused }, expected: [['paused', 'Secret', 'paused-']] },
  'damage and the annotation paused': {
    secret: { annotations: paused },
    afterMs: 60 * DAY_MS,
    expected: [
      ['paused', 'Secret', 'paused-'],
      ['due', 'Secret', 'paused-'],
    ],
  },
  'a Secret without the managed-by label whose certificate API servers trust': { secret: { labels: {} }, expected: [] },
  'a Secret without the managed-by label': {
    secret: { labels: {} },
    liveBundle: other.caBundle,
    expected: [
      ['not-ours', 'Secret', 'label'],
      ['untrusted', 'registration', 'rollout restart'],
      ['extra-ca', 'registration', 'logs'],
    ],
  },
  'a requested rotation': { secret: { annotations: asked }, expected: [] },
  'an empty live bundle during a rotation': {
    set: rotating('settling', after(DAY_MS - MINUTE_MS)),
    liveBundle: empty,
    expected: [['untrusted', 'registration', RESTART]],
  },
  'a rotation in the phase publishing': {
    set: rotating('publishing', after(DAY_MS - MINUTE_MS)),
    liveBundle: set.caBundle,
    expected: [],
  },
  'a rotation in the phase settling': { set: rotating('settling', after(DAY_MS - MINUTE_MS)), expected: [] },
  'a rotation in the phase retiring': { set: rotating('retiring', after(DAY_MS - MINUTE_MS)), expected: [] },
  'a new CA in place of a lost one': {
    set: replaced(after(DAY_MS - MINUTE_MS)),
    liveBundle: other.caBundle,
    facts: { endpoint: { ...answered, certificate: other.serving.certificate, why: undefined } },
    expected: [],
  },
  'a new CA that is not in the live bundle after minutes': {
    set: replaced(after(DAY_MS - 3 * MINUTE_MS)),
    liveBundle: other.caBundle,
    expected: [
      ['stuck', 'Secret', RESTART],
      ['untrusted', 'registration', RESTART],
    ],
  },
  'a rotation that is stuck in the phase publishing': {
    set: rotating('publishing', after(DAY_MS - 3 * MINUTE_MS)),
    liveBundle: set.caBundle,
    expected: [['stuck', 'Secret', RESTART]],
  },
  'a rotation that is stuck in the phase settling': {
    set: rotating('settling', after(DAY_MS - 4 * MINUTE_MS)),
    expected: [['stuck', 'Secret', RESTART]],
  },
  'no registration': {
    facts: { registration: 'absent' },
    expected: [['not-registered', 'registration', RESTART]],
  },
  'a registration without the entry of the daemon': {
    facts: { registration: { ...aRegistration(empty), webhooks: [] } },
    expected: [['not-registered', 'registration', RESTART]],
  },
  'an edited registration': {
    facts: { registration: withEntry({ matchConditions: [] }) },
    expected: [['drift', 'registration', RESTART]],
  },
  'match conditions of another policy': {
    facts: { registration: withEntry({ matchConditions: matchConditions({ rules: [] }) }) },
    expected: [],
  },
  'another failurePolicy and timeoutSeconds, which inspect does not check': {
    facts: { registration: withEntry({ failurePolicy: 'Fail', timeoutSeconds: 30 }) },
    expected: [],
  },
  'no Secret': {
    facts: { secret: 'absent' },
    expected: [['absent', 'Secret', RESTART]],
  },
  'a registered Service in another namespace, and no Secret': {
    options: { namespace: 'mistyped' },
    facts: { secret: 'absent', namespacePhase: 'absent' },
    expected: [['absent', 'Secret', 'kubectl get pods -A']],
  },
  'neither Secret nor registration': {
    facts: {
      secret: 'absent',
      registration: 'absent',
      endpoint: { outcome: 'not-dialled', why: 'nothing', how: [] },
    },
    expected: [['not-installed', 'Secret', 'kubectl get pods -A']],
  },
  "certificates of somebody's own": {
    options: { 'webhook-cert-path': '/certs' },
    facts: { secret: 'unused' },
    expected: [],
  },
  'a Secret that the user cannot get': {
    facts: { secret: 'refused' },
    expected: [['forbidden', 'Secret', 'auth can-i get secrets/']],
  },
  'a registration that the user cannot get': {
    facts: { registration: 'refused' },
    expected: [['forbidden', 'registration', 'auth can-i get mutatingwebhookconfigurations/']],
  },
  'an endpoint that was not called': {
    facts: { endpoint: { outcome: 'not-dialled', why: 'it does not resolve', how: [] } },
    expected: [],
    verdict: 'incomplete',
  },
  'an endpoint that was not called and another problem': {
    liveBundle: empty,
    facts: {
      endpoint: { outcome: 'not-dialled', why: 'it does not resolve', how: [] },
      registration: aRegistration(empty),
    },
    expected: [['untrusted', 'registration', RESTART]],
  },
  'an endpoint that does not respond': {
    facts: { endpoint: { outcome: 'failed', address: '10.0.0.1:443', why: 'ECONNREFUSED' } },
    expected: [['unreachable', 'endpoint', 'logs']],
  },
  'an endpoint whose certificate is not verified': {
    facts: { endpoint: { ...answered, certificate: set.serving.certificate, why: 'CERT_HAS_EXPIRED' } },
    expected: [['unverified', 'endpoint', RESTART]],
  },
  'an endpoint that presents another certificate one day after the issue': {
    facts: { endpoint: { ...answered, certificate: other.serving.certificate, why: undefined } },
    expected: [['not-swapped', 'endpoint', RESTART]],
  },
  'an endpoint that presents another certificate one minute after the issue': {
    afterMs: MINUTE_MS,
    facts: { endpoint: { ...answered, certificate: other.serving.certificate, why: undefined } },
    expected: [],
  },
};

describe('the problems that inspect reports', () => {
  for (const [
    what,
    { expected, verdict = expected.length === 0 ? 'healthy' : 'unhealthy', ...sight },
  ] of Object.entries(rows)) {
    const words = expected.map(([reason]) => reason).join(' and ') || 'no problem';
    test(`inspect reports ${words} for ${what}`, () => {
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

describe('the facts that inspect reports', () => {
  test('inspect shows CA and serving certificate, and when the renewal is due', () => {
    const { certificateAuthority, serving, next } = anInspection({ set });
    assert.equal(certificateAuthority?.subject, 'C=US, ST=Oregon, L=Portland, O=Kubernetes, OU=CA, CN=Kubernetes');
    assert.equal(serving?.dnsNames[0], 'terraform-job-webhook-service.vela-system.svc');
    assert.match(serving?.sha256 ?? '', /^([0-9A-F]{2}:){31}[0-9A-F]{2}$/);
    assert.deepEqual([serving?.lifetimeMs, serving?.leftMs], [90 * DAY_MS, 89 * DAY_MS]);
    assert.deepEqual(next.renewal, after(60 * DAY_MS));
  });

  test('inspect shows the origin of each trusted CA', () => {
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

  test('inspect names the options to check if the registration points to another endpoint', () => {
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
