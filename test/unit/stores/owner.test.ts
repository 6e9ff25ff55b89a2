import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { CallJson } from '../../../src/kube/requests.ts';
import type { OperatorError } from '../../../src/lib/errors.ts';
import { timings } from '../../../src/lib/timings.ts';
import { createOwner } from '../../../src/stores/owner.ts';

const refusal = (code: number, status: object = {}) =>
  Object.assign(new Error('refused'), { code, body: JSON.stringify(status) });
const gone = refusal(404, { reason: 'NotFound', details: { name: 'td', kind: 'clusterroles' }, message: 'not found' });
const forbidden = refusal(403, { message: 'clusterroles "td" is forbidden: User "u" cannot get it' });
const unavailable = refusal(503);

/** Returns an owner for tests. Each read of the ClusterRole returns the next of `answers`: a uid, or an error. */
function anOwner(...answers: readonly (string | Error)[]) {
  const warnings: string[] = [];
  const left = [...answers];
  const callJson: CallJson = async () => {
    const answer = left.shift();
    if (answer instanceof Error) throw answer;
    return { metadata: { uid: answer } };
  };
  const silent = () => {};
  const log = { error: silent, warn: (message: string) => void warnings.push(message), info: silent, debug: silent };
  const clock: { uptimeMs: number } = { uptimeMs: timings.owner.forbiddenMs };
  const writeOwned = createOwner(callJson, { clusterRole: 'td', log, uptimeMs: () => clock.uptimeMs });
  const uid = () =>
    writeOwned({ reference: 'Secret a/b' }, async (references) => references?.map((reference) => reference.uid));
  return { writeOwned, uid, warnings, clock };
}

describe('the owner reference of objects of the daemon', () => {
  test('the owner reference has the uid of the ClusterRole, which is read again before each write', async () => {
    const { writeOwned, uid } = anOwner('first', 'second');
    assert.deepEqual(await writeOwned({ reference: 'Secret a/b' }, async (references) => references), [
      { apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'ClusterRole', name: 'td', uid: 'first' },
    ]);
    assert.deepEqual(await uid(), ['second']);
  });

  const lost = {
    'was deleted': gone,
    'can no longer be read because of RBAC': forbidden,
    'is temporarily unavailable': unavailable,
  };
  for (const [name, error] of Object.entries(lost)) {
    test(`the owner reference has the last known uid if the ClusterRole ${name}`, async () => {
      const { uid, warnings } = anOwner('first', error);
      await uid();
      assert.deepEqual(await uid(), ['first']);
      assert.deepEqual(warnings, []);
    });
  }

  for (const [name, error] of Object.entries({ 'does not exist': gone, 'may not be read': forbidden })) {
    test(`objects get no owner reference, with one warning, if the ClusterRole ${name}`, async () => {
      const { uid, warnings } = anOwner(error, error, 'first');
      assert.equal(await uid(), undefined);
      assert.equal(await uid(), undefined);
      assert.deepEqual(warnings, ['cannot read the owner: an uninstall may not delete the objects of the daemon']);
      assert.deepEqual(await uid(), ['first']);
    });
  }

  test('creating an object fails while the first read of its owner ClusterRole fails temporarily', async () => {
    const { writeOwned, uid } = anOwner(unavailable, 'first');
    const code = await writeOwned({ reference: 'Secret a/b' }, async () => assert.fail()).catch(
      (error: OperatorError) => error.code,
    );
    assert.equal(code, 'KUBE_UNAVAILABLE');
    assert.deepEqual(await uid(), ['first']);
  });

  test('creating an object fails if reading its owner ClusterRole is forbidden in the first five seconds of the process, when RBAC rules can be new', async () => {
    const { uid, warnings, clock } = anOwner(forbidden, 'first');
    clock.uptimeMs = timings.owner.forbiddenMs - 1;
    await assert.rejects(uid(), { code: 'KUBE_FORBIDDEN' });
    assert.deepEqual(await uid(), ['first']);
    assert.deepEqual(warnings, []);
  });

  for (const [name, error] of Object.entries({ 'is unavailable': unavailable, 'is forbidden': forbidden })) {
    test(`an update keeps the owner reference if the first read of the ClusterRole ${name}`, async () => {
      const { writeOwned, clock } = anOwner(error);
      clock.uptimeMs = 0;
      const ours = { apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'ClusterRole', name: 'td', uid: 'live' };
      const liveOwners = [{ ...ours, name: 'another', uid: 'other' }, ours];
      const written = await writeOwned({ reference: 'Secret a/b', liveOwners }, async (references) => references);
      assert.deepEqual(written, [ours]);
    });
  }
});
