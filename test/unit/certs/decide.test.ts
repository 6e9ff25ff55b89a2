import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createCertificateLogic } from '../../../src/certs/certificate-logic.ts';
import { reasons } from '../../../src/certs/reason-texts.ts';
import { ISSUED_AT } from '../../support/builders/a-certificate-set.ts';
import { authorityRows } from '../../support/builders/decision-rows/authority-rows.ts';
import { options, outcomeOf } from '../../support/builders/decision-rows/common.ts';
import { rotationRows } from '../../support/builders/decision-rows/rotation-rows.ts';
import { secretRows } from '../../support/builders/decision-rows/secret-rows.ts';
import { servingRows } from '../../support/builders/decision-rows/serving-rows.ts';

const tables = {
  'a certificate authority': authorityRows,
  'a serving certificate': servingRows,
  'bundle, presentation and Secret of a healthy set': secretRows,
  'a rotation': rotationRows,
};

for (const [subject, rows] of Object.entries(tables)) {
  describe(`the decision about ${subject}`, () => {
    for (const { what, set, expected, at = ISSUED_AT, options: changed, asked, isPhaseWrong, ...situation } of rows) {
      test(`decide() returns "${expected}" for ${what}`, () => {
        const { decide } = createCertificateLogic({ ...options, ...changed });
        const decision = decide(set, { now: at, ...situation }, { asked, isPhaseWrong });
        assert.equal(outcomeOf(decision), expected);
      });
    }
  });
}

test('the tables in decide.test.ts have a row for each reason in src/certs/reason-texts.ts', () => {
  const covered = new Set(Object.values(tables).flatMap((rows) => rows.map(({ expected }) => expected.split(' ')[1])));
  assert.deepEqual(
    Object.keys(reasons).filter((reason) => !covered.has(reason)),
    [],
  );
});

test('each row of the decision tables of certificates has a unique name', () => {
  const names = Object.values(tables).flatMap((rows) => rows.map(({ what }) => what));
  assert.equal(new Set(names).size, names.length);
});
