import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Phase } from '../../../src/certs/certificate-set.ts';
import { fromSecret, isPhaseWrong } from '../../../src/certs/secret.ts';
import { askedFor, isPaused, misunderstood } from '../../../src/certs/secret-annotations.ts';
import { isOurs } from '../../../src/certs/secret-ownership.ts';
import { joinCertificates, toBase64 } from '../../../src/lib/pem.ts';
import { aCertificateSet, stored } from '../../support/builders/a-certificate-set.ts';

const set = await aCertificateSet();
const other = await aCertificateSet({ nth: 2 });
const annotation = (name: string) => `terraform.job.kb.io/${name}`;

/** Certificate sets as a Secret can contain them. */
const forms = {
  'one CA': set,
  'two CAs': { ...set, caBundle: joinCertificates([set.caBundle, other.caBundle]) },
  'a next CA': { ...set, caBundle: joinCertificates([set.caBundle, other.caBundle]), nextCa: other.ca },
  'a next CA that is not in the bundle': { ...set, nextCa: other.ca },
} as const;

interface Row {
  readonly form: keyof typeof forms;
  readonly word: string | undefined;
  readonly phase: Phase;
}
const rows: readonly Row[] = [
  { form: 'one CA', word: 'stable', phase: 'stable' },
  { form: 'one CA', word: 'publishing', phase: 'stable' },
  { form: 'one CA', word: 'settling', phase: 'stable' },
  { form: 'one CA', word: 'retiring', phase: 'stable' },
  { form: 'one CA', word: undefined, phase: 'stable' },
  { form: 'two CAs', word: 'stable', phase: 'retiring' },
  { form: 'two CAs', word: 'publishing', phase: 'publishing' },
  { form: 'two CAs', word: 'settling', phase: 'settling' },
  { form: 'two CAs', word: 'retiring', phase: 'retiring' },
  { form: 'two CAs', word: 'Settling', phase: 'retiring' },
  { form: 'two CAs', word: undefined, phase: 'retiring' },
  { form: 'a next CA', word: 'stable', phase: 'publishing' },
  { form: 'a next CA', word: 'publishing', phase: 'publishing' },
  { form: 'a next CA', word: 'settling', phase: 'settling' },
  { form: 'a next CA', word: 'retiring', phase: 'publishing' },
  { form: 'a next CA', word: undefined, phase: 'publishing' },
  { form: 'a next CA that is not in the bundle', word: 'settling', phase: 'settling' },
  { form: 'a next CA that is not in the bundle', word: 'stable', phase: 'publishing' },
];

describe('the phase of a rotation in a Secret', () => {
  for (const { form, word, phase } of rows) {
    test(`fromSecret reads a Secret with ${form} and ${word ? `the annotation phase=${word}` : 'no annotation phase'} as phase ${phase}`, () => {
      const secret = stored(forms[form], { annotations: word === undefined ? {} : { [annotation('phase')]: word } });
      assert.equal(fromSecret(secret).phase, phase);
    });
  }

  test('fromSecret reads a Secret with only the key or only the certificate of a next CA as phase publishing', () => {
    const { data } = stored(set);
    for (const key of ['next-ca.crt', 'next-ca.key']) {
      const read = fromSecret(stored(set, { data: { ...data, [key]: toBase64('half') } }));
      const half = { certificate: '', privateKey: '', [key === 'next-ca.crt' ? 'certificate' : 'privateKey']: 'half' };
      assert.deepEqual([read.nextCa, read.phase], [half, 'publishing']);
    }
  });

  test('fromSecret reads the start of the phase from the annotation phase-since, and returns undefined if it is not a time', () => {
    const since = (text: string) => fromSecret(stored(set, { annotations: { [annotation('phase-since')]: text } }));
    assert.deepEqual(since('2026-03-02T12:00:00Z').phaseSince, new Date('2026-03-02T12:00:00Z'));
    assert.equal(since('yesterday').phaseSince, undefined);
    assert.equal(since('').phaseSince, undefined);
    assert.equal(fromSecret(stored(set, { annotations: {} })).phaseSince, undefined);
  });
});

describe('annotations and labels of a Secret that users set', () => {
  const annotated = (name: string, word: string) => stored(set, { annotations: { [annotation(name)]: word } });

  test('the annotation rotate accepts serving or ca in any case; any other value requests nothing', () => {
    assert.equal(askedFor(annotated('rotate', 'serving')), 'serving');
    assert.equal(askedFor(annotated('rotate', 'ca')), 'ca');
    for (const word of ['CA', ' ca', 'Ca ']) assert.equal(askedFor(annotated('rotate', word)), 'ca');
    for (const word of ['', 'true', 'all', 'both']) {
      assert.equal(askedFor(annotated('rotate', word)), undefined);
      assert.equal(misunderstood(annotated('rotate', word)), word);
    }
    for (const secret of [stored(set), annotated('rotate', 'ca')]) assert.equal(misunderstood(secret), undefined);
    assert.equal(askedFor(stored(set)), undefined);
  });

  test('the annotation paused pauses writes for any value except empty and false', () => {
    for (const word of ['true', 'True', 'yes', '1', 'x']) assert.equal(isPaused(annotated('paused', word)), true);
    for (const word of ['', 'false', 'False', ' ']) assert.equal(isPaused(annotated('paused', word)), false);
    assert.equal(isPaused(stored(set)), false);
  });

  test('isPhaseWrong is false without a phase annotation, and true if the annotation does not fit the stored CAs', () => {
    assert.equal(isPhaseWrong(stored(set)), false);
    assert.equal(isPhaseWrong(stored(set, { annotations: {} })), false);
    for (const word of ['publishing', 'settling', 'retiring', 'junk']) {
      assert.equal(isPhaseWrong(annotated('phase', word)), true, word);
    }
  });

  test('isOurs is true only for a Secret with the managed-by label of the daemon', () => {
    assert.equal(isOurs(stored(set)), true);
    assert.equal(isOurs(stored(set, { labels: {} })), false);
    assert.equal(isOurs(stored(set, { labels: { 'app.kubernetes.io/managed-by': 'Helm' } })), false);
  });
});
