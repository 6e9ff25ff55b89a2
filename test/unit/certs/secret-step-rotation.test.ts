import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { describe, test } from 'node:test';
import type { CertificatePair, CertificateSet } from '../../../src/certs/certificate-set.ts';
import { issueServingCertificate } from '../../../src/certs/issue.ts';
import { fromSecret } from '../../../src/certs/secret.ts';
import { ROTATE } from '../../../src/certs/secret-annotations.ts';
import { joinCertificates, type Pem, splitCertificates } from '../../../src/lib/pem.ts';
import { aCertificateSet, certificateOptions, ISSUED_AT, stored } from '../../support/builders/a-certificate-set.ts';
import { ensureCertificates } from '../../support/fakes/ensure-certificates.ts';
import { createFakeSecretStore, type FakeSecretStore } from '../../support/fakes/fake-secret-store.ts';
import { actionsOf, type BeforeStep, ensureUntilStable, type Step } from '../../support/fakes/whole-rotation.ts';

// Small keys, because the tests generate many of them.
const small = { keySize: 1024 };
const options = certificateOptions(small);
const set = await aCertificateSet({ options: small });
const other = await aCertificateSet({ options: small, nth: 2 });
const after = (ms: number): Date => new Date(ISSUED_AT.getTime() + ms);
const rotation = ['announce', 'settle', 'switch', 'retire'];
const DAY_MS = 24 * 3_600_000;

const content = (store: FakeSecretStore): CertificateSet => {
  const secret = store.current();
  assert.ok(secret, 'there is no Secret');
  return fromSecret(secret);
};
const signed = (ca: CertificatePair, { certificate }: CertificatePair): boolean =>
  new X509Certificate(certificate).verify(new X509Certificate(ca.certificate).publicKey);
const askingFor = (what: string) =>
  stored(set, { annotations: { ...stored(set).annotations, [ROTATE]: what, 'example.com/note': 'keep me' } });

/**
 * Returns for each step its time, its phase, the number of trusted CAs, and whether the current CA
 * of the set signed the serving certificate.
 */
const seen = (steps: readonly Step[]) =>
  steps.map(({ set, now }) => [now, set.phase, splitCertificates(set.caBundle).length, signed(set.ca, set.serving)]);

describe('a requested rotation', () => {
  test('a requested CA rotation takes the steps announce, settle, switch and retire, and the old CA is trusted until the end', async () => {
    const store = createFakeSecretStore(askingFor('ca'));
    const steps = await ensureUntilStable(store, options, ISSUED_AT, { liveBundle: set.caBundle });
    assert.deepEqual(actionsOf(steps), rotation);
    assert.deepEqual(seen(steps), [
      [ISSUED_AT, 'publishing', 2, true],
      [ISSUED_AT, 'settling', 2, true],
      [after(options.settleMs), 'retiring', 2, true],
      [after(2 * options.settleMs), 'stable', 1, true],
    ]);
    const [announced, settled, switched, retired] = steps.map((step) => step.set);
    const next = announced?.nextCa;
    assert.deepEqual([settled?.nextCa, settled?.ca, settled?.serving], [next, set.ca, set.serving]);
    assert.deepEqual([switched?.nextCa, switched?.ca, retired?.ca], [undefined, next, next]);
    assert.deepEqual(splitCertificates(switched?.caBundle ?? ''), [next?.certificate, set.ca.certificate]);
    assert.equal(retired?.caBundle, next?.certificate);
  });

  test('a finished CA rotation removes only the annotation rotate', async () => {
    const store = createFakeSecretStore(askingFor('ca'));
    const asked: unknown[] = [];
    const beforeStep = () => asked.push(store.current()?.annotations[ROTATE]);
    const steps = await ensureUntilStable(store, options, ISSUED_AT, { liveBundle: set.caBundle, beforeStep });
    assert.deepEqual([...new Set(asked.slice(0, -1))], ['ca']);
    assert.deepEqual([asked.at(-1), steps.length], [undefined, 4]);
    assert.equal(store.current()?.annotations['example.com/note'], 'keep me');
  });

  test('a requested CA rotation writes its reason to the Secret, first as the reason of the next CA and later as the reason of the current CA', async () => {
    const store = createFakeSecretStore(askingFor('ca'));
    const because = (part: string) => store.current()?.annotations[`terraform.job.kb.io/${part}-issued-because`];
    const told: unknown[] = [];
    const beforeStep = () => told.push([because('ca'), because('next-ca'), because('serving')].join());
    await ensureUntilStable(store, options, ISSUED_AT, { liveBundle: set.caBundle, beforeStep });
    assert.deepEqual([...new Set(told)], ['absent,,absent', 'absent,asked,absent', 'asked,,asked']);
  });
});

test('a requested renewal of the serving certificate happens once, and the annotation rotate is removed', async () => {
  const store = createFakeSecretStore(askingFor('serving'));
  const steps = await ensureUntilStable(store, options, ISSUED_AT, { liveBundle: set.caBundle });
  assert.deepEqual(actionsOf(steps), ['renew']);
  assert.equal(store.current()?.annotations[ROTATE], undefined);
  assert.deepEqual([content(store).ca, content(store).phase], [set.ca, 'stable']);
  assert.notDeepEqual(content(store).serving, set.serving);
});

test('a Secret with an invalid value of the annotation rotate is not written', async () => {
  const store = createFakeSecretStore(askingFor('everything'));
  assert.deepEqual(await ensureUntilStable(store, options, ISSUED_AT), []);
  assert.equal(store.current()?.annotations[ROTATE], 'everything');
});

const due = after(2440 * DAY_MS);
const servingAtDue = await issueServingCertificate(options, set.ca, due);

describe('rotations and repairs end in the phase stable with one CA', () => {
  const nextCa = other.ca;
  const caBundle = joinCertificates([set.caBundle, other.caBundle]);
  const rotating = { ...set, nextCa, caBundle, phase: 'settling', phaseSince: ISSUED_AT } as const;
  const beginnings = {
    'a CA due for rotation': {
      set: { ...set, serving: servingAtDue },
      now: due,
      actions: rotation,
    },
    'no CA key': {
      set: { ...set, ca: { ...set.ca, privateKey: '' as Pem } },
      actions: ['replace', 'settle', 'switch', 'retire'],
    },
    'a next CA without its key': {
      set: { ...rotating, nextCa: { ...nextCa, privateKey: '' as Pem } },
      actions: rotation,
    },
    'an unparsable next CA': {
      set: { ...rotating, nextCa: { ...nextCa, certificate: 'junk' as Pem } },
      actions: rotation,
    },
    'a next CA that is not in the bundle': {
      set: { ...rotating, caBundle: set.caBundle },
      actions: ['repair', 'switch', 'retire'],
    },
    'a rotation phase without a start time': {
      set: { ...rotating, phaseSince: undefined },
      actions: ['settle', 'switch', 'retire'],
    },
    'a rotation phase that starts in the future': {
      set: { ...set, caBundle, phase: 'retiring', phaseSince: after(DAY_MS) } as const,
      actions: ['retire'],
    },
    'its CA twice in the bundle': {
      set: { ...set, caBundle: (set.caBundle + set.caBundle) as Pem },
      actions: ['repair'],
    },
  };
  for (const [what, { set: beginning, actions, ...at }] of Object.entries(beginnings)) {
    test(`a set with ${what} becomes stable with one CA by the steps ${actions.join(', ')}`, async () => {
      const store = createFakeSecretStore(stored(beginning));
      const steps = await ensureUntilStable(store, options, 'now' in at ? at.now : after(options.settleMs), {
        liveBundle: beginning.caBundle,
      });
      assert.deepEqual(actionsOf(steps), actions);
      const { ca, caBundle, serving, phase, nextCa } = content(store);
      assert.deepEqual([caBundle, phase, nextCa], [ca.certificate, 'stable', undefined]);
      assert.ok(signed(ca, serving));
    });
  }
});

describe('a rotation with other writers', () => {
  for (const nth of [0, 1, 2, 3]) {
    test(`a CA rotation continues if another client writes the Secret before step ${nth + 1}`, async () => {
      const store = createFakeSecretStore(askingFor('ca'));
      const beforeStep: BeforeStep = (taken) => {
        if (taken === nth) store.beforeNextWrite(() => store.put(store.current()));
      };
      const steps = await ensureUntilStable(store, options, ISSUED_AT, { liveBundle: set.caBundle, beforeStep });
      assert.deepEqual(actionsOf(steps), rotation);
      assert.equal(store.writes(), 4);
      assert.equal(content(store).caBundle, content(store).ca.certificate);
    });

    test(`a CA rotation uses the result of another replica that takes step ${nth + 1} first`, async () => {
      const store = createFakeSecretStore(askingFor('ca'));
      const beforeStep: BeforeStep = async (taken, circumstances) => {
        if (taken !== nth || theirs.current() !== undefined) return;
        theirs.put(store.current());
        await ensureCertificates(theirs, options, circumstances);
        if (theirs.writes() > 0) store.beforeNextWrite(() => store.put(theirs.current()));
        else theirs.put(undefined);
      };
      const theirs = createFakeSecretStore();
      const steps = await ensureUntilStable(store, options, ISSUED_AT, { liveBundle: set.caBundle, beforeStep });
      assert.deepEqual(actionsOf(steps), rotation.toSpliced(nth, 1));
      assert.equal(store.writes(), 3);
      const { ca, caBundle, serving, phase } = content(store);
      assert.deepEqual([caBundle, phase, signed(ca, serving)], [ca.certificate, 'stable', true]);
      if (nth === 0) assert.equal(caBundle, content(theirs).nextCa?.certificate);
    });
  }

  for (const nth of [1, 2, 3]) {
    test(`if the Secret is deleted at step ${nth + 1} of a CA rotation, the new set keeps all CAs of the live bundle`, async () => {
      const store = createFakeSecretStore(askingFor('ca'));
      const beforeStep: BeforeStep = (taken) => {
        if (taken === nth) store.beforeNextWrite(() => store.put(undefined));
      };
      const steps = await ensureUntilStable(store, options, ISSUED_AT, { liveBundle: set.caBundle, beforeStep });
      const [before, replaced] = [steps[nth - 1], steps[nth]];
      assert.deepEqual(replaced?.decision, { action: 'replace', reason: 'absent' });
      const [, ...kept] = splitCertificates(replaced?.set.caBundle ?? '');
      assert.deepEqual(kept, splitCertificates(before?.set.caBundle ?? ''));
      assert.deepEqual(actionsOf(steps).slice(nth), ['replace', 'settle', 'switch', 'retire']);
    });
  }
});
