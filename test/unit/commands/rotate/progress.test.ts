import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { CertificateSet } from '../../../../src/certs/certificate-set.ts';
import { isStuck, rotationFacts } from '../../../../src/certs/rotation-status.ts';
import type { StoredSecret } from '../../../../src/certs/secret.ts';
import type { Asked } from '../../../../src/certs/secret-annotations.ts';
import { readConfig } from '../../../../src/cli/config.ts';
import { repairCommands } from '../../../../src/commands/kubectl-hints.ts';
import {
  combineRequests,
  countdown,
  obstacle,
  type PendingRotation,
  type Progress,
  poll,
  progressOf,
  rotationState,
} from '../../../../src/commands/rotate/progress.ts';
import { joinCertificates } from '../../../../src/lib/pem.ts';
import { aCertificateSet, ISSUED_AT, stored } from '../../../support/builders/a-certificate-set.ts';
import { plain } from '../../../support/builders/a-terminal.ts';

const config = readConfig({});
const set = await aCertificateSet();
const other = await aCertificateSet({ nth: 2 });
const renewed = { ...set, serving: other.serving };
const after = (ms: number): Date => new Date(ISSUED_AT.getTime() + ms);

const rotating = (phase: CertificateSet['phase'], from = set): CertificateSet => ({
  ...from,
  caBundle: joinCertificates([set.caBundle, other.caBundle]),
  nextCa: phase === 'retiring' ? undefined : other.ca,
  phase,
  phaseSince: ISSUED_AT,
});
const aSecret = (content: CertificateSet, asked?: string, fields: Partial<StoredSecret> = {}): StoredSecret => {
  const secret = stored(content, fields);
  const request = asked === undefined ? {} : { 'terraform.job.kb.io/rotate': asked };
  return { ...secret, annotations: { ...secret.annotations, ...request } };
};

test('suggested commands name the namespace and the Deployment of the install', () => {
  const commands = repairCommands(readConfig({ namespace: 'ops', 'owner-cluster-role': 'job-cap' }));
  assert.deepEqual(
    [commands.restart, commands.logs],
    ['kubectl -n ops rollout restart deployment job-cap', 'kubectl -n ops logs deployment/job-cap'],
  );
});

test('the countdown of a rotation shows minutes and seconds until the next step, and nothing while the step waits for a replica', () => {
  const left = (phase: CertificateSet['phase'], ms: number) =>
    countdown(rotating(phase), config.certificates, after(ms));
  assert.equal(left('settling', 0), '1:00 until the switch to the new certificate authority');
  assert.equal(left('settling', 57_100), '0:03 until the switch to the new certificate authority');
  assert.equal(left('retiring', 61_000), '0:00 until the removal of the old certificate authority');
  assert.equal(left('publishing', 0), undefined);
  assert.equal(left('stable', 0), undefined);
});

describe('the progress of a requested rotation', () => {
  const cases: Readonly<Record<string, readonly [Asked, CertificateSet, StoredSecret, Progress]>> = {
    'while the Secret has the annotation rotate': ['serving', set, aSecret(renewed, 'serving'), 'waiting'],
    'if the Secret has another serving certificate and no annotation rotate': [
      'serving',
      set,
      aSecret(renewed),
      'done',
    ],
    'if the Secret has the same serving certificate and no annotation rotate': [
      'serving',
      set,
      aSecret(set),
      'withdrawn',
    ],
    'while a CA rotation is in progress and the Secret has the annotation rotate': [
      'ca',
      set,
      aSecret(rotating('settling'), 'ca'),
      'waiting',
    ],
    'if the Secret has another CA and no annotation rotate': ['ca', set, aSecret(other), 'done'],
    'after the end of a CA rotation that was in progress at the request': [
      'ca',
      rotating('retiring', other),
      aSecret(other),
      'done',
    ],
    'if the Secret has the same CA and no annotation rotate': ['ca', set, aSecret(set), 'withdrawn'],
    'while a CA rotation is in progress and the Secret has no annotation rotate': [
      'ca',
      set,
      aSecret(rotating('settling')),
      'withdrawn',
    ],
  };
  for (const [what, [asked, before, now, expected]] of Object.entries(cases)) {
    test(`progressOf returns ${expected} for a rotation request for ${asked} ${what}`, () => {
      assert.equal(progressOf(asked, { set: before, asked }, rotationState(now)), expected);
    });
  }

  test('rotate does not replace a pending request for ca by a request for serving', () => {
    assert.deepEqual(
      [combineRequests('serving', 'ca'), combineRequests('ca', 'serving'), combineRequests('serving', undefined)],
      ['ca', 'ca', 'serving'],
    );
  });

  test('rotate refuses a request that no daemon would handle, and prints the command that removes the obstacle', () => {
    const paused = { annotations: { 'terraform.job.kb.io/paused': 'true' } };
    assert.equal(obstacle(stored(set), config), undefined);
    assert.match(obstacle(undefined, config) ?? '', /^Secret .* does not exist: .*\n {2}kubectl get pods -A /);
    assert.match(obstacle(stored(set, { labels: {} }), config) ?? '', /\n {2}kubectl .* label --overwrite secret/);
    assert.match(obstacle(stored(set, paused), config) ?? '', /\n {2}kubectl .*paused-$/);
  });
});

describe('one poll of the command rotate', () => {
  const before = rotationState(aSecret(set, 'ca'));
  const pending: PendingRotation = { asked: 'ca', before, last: before, startedAt: ISSUED_AT, changedAt: undefined };
  const pollOnce = (
    from: PendingRotation,
    secret: StoredSecret | undefined | 'unreachable',
    afterMs = 0,
    timeoutMs = 600_000,
  ) => poll(from, secret, { ...plain, config, timeoutMs, now: after(afterMs) });

  test('rotate prints each phase once, with the time at which it ends', () => {
    const first = pollOnce(pending, aSecret(rotating('settling'), 'ca'), 1000);
    assert.deepEqual(first.lines, [
      'settling: waits for every API server to see the new CA bundle, until 2026-03-01T12:01:00Z',
    ]);
    assert.deepEqual(pollOnce(first.pending, aSecret(rotating('settling'), 'ca'), 2000).lines, []);
  });

  test('rotate ends with exit code 0 and prints the new fingerprints', () => {
    const { pending: later } = pollOnce(pending, aSecret(rotating('retiring', other), 'ca'));
    const { lines, exitCode } = pollOnce(later, aSecret(other));
    assert.equal(exitCode, 0);
    assert.deepEqual(lines.slice(0, 2), ['stable', 'done']);
    assert.match(lines[2] ?? '', /^serving certificate: SHA-256 (..:){31}.., until 2026-05-30T12:00:00/);
    assert.match(lines[3] ?? '', /^certificate authority: SHA-256 /);
  });

  test('rotate continues while the API server is unavailable', () => {
    const { lines, exitCode } = pollOnce(pending, 'unreachable', 1000);
    assert.deepEqual([lines, exitCode], [[], undefined]);
  });

  test('rotate exits with code 1 after 90 s without progress', () => {
    assert.equal(pollOnce(pending, aSecret(set, 'ca'), 89_999).exitCode, undefined);
    const { lines, exitCode } = pollOnce(pending, aSecret(set, 'ca'), 90_000);
    assert.equal(exitCode, 1);
    assert.match(lines[0] ?? '', /^not done: no progress for 90 s: is a daemon running\?/);
  });

  test('rotate does not count the wait of a phase as time without progress', () => {
    const { pending: later } = pollOnce(pending, aSecret(rotating('settling'), 'ca'), 1000);
    assert.equal(pollOnce(later, aSecret(rotating('settling'), 'ca'), 149_999).exitCode, undefined);
    assert.equal(pollOnce(later, aSecret(rotating('settling'), 'ca'), 150_000).exitCode, 1);
  });

  test('rotate exits with code 1 at --timeout and prints that the daemon continues', () => {
    const { pending: later } = pollOnce(pending, aSecret(rotating('settling'), 'ca'), 1000, 5_000);
    const { lines, exitCode } = pollOnce(later, aSecret(rotating('settling'), 'ca'), 5_000, 5_000);
    assert.equal(exitCode, 1);
    assert.match(lines[0] ?? '', /it has not finished within 5 s; the daemon continues/);
  });

  test('rotate exits with code 1 if writes are paused or the Secret is deleted during the rotation', () => {
    const paused = aSecret(set, 'ca', { annotations: { 'terraform.job.kb.io/paused': 'true' } });
    assert.match(pollOnce(pending, paused).lines[0] ?? '', /all writes .* are paused/);
    assert.equal(pollOnce(pending, undefined).exitCode, 1);
  });

  test('if another writer removes the annotation rotate before the rotation, the command rotate says so and stops', () => {
    assert.deepEqual(pollOnce(pending, aSecret(set)).lines, ['not done: another writer removed the annotation']);
  });
});

describe('the state of a rotation in reports', () => {
  test('the phases settling and retiring have an end, because they wait for a time; publishing has none', () => {
    const until = (phase: CertificateSet['phase']) => rotationFacts(rotating(phase), config.certificates).until;
    assert.deepEqual(
      [until('publishing'), until('settling'), until('retiring')],
      [undefined, after(60_000), after(60_000)],
    );
  });

  test('isStuck is true from two minutes after the next step of a rotation was due', () => {
    const stuck = (phase: CertificateSet['phase'], ms: number) =>
      isStuck(rotating(phase), config.certificates, after(ms));
    assert.deepEqual([stuck('publishing', 120_000), stuck('publishing', 120_001)], [false, true]);
    assert.deepEqual([stuck('settling', 180_000), stuck('settling', 180_001)], [false, true]);
    assert.equal(isStuck(set, config.certificates, after(1e9)), false);
  });
});
