import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { failedApplyEvent } from '../../../src/backstop/failed-apply-event.ts';
import { RETRIED_AT } from '../../../src/terraform/configuration.ts';
import type { Ending } from '../../../src/terraform/ending.ts';
import { failedPods } from '../../support/builders/failed-pods.ts';

const job = { namespace: 'jobs', name: 'c-1-apply', uid: 'j-1', resourceVersion: '1' };
const configuration = { namespace: 'team-a', name: 'bucket', uid: 'c-1' };
const pod = { pod: 'c-1-apply-abcde', isKept: true };
const ending: Ending = { kind: 'exited', container: 'terraform-executor', exitCode: 1, reason: 'Error', ...pod };
const apply = { job, action: 'apply', configuration, ending } as const;

describe('the Event on a Configuration', () => {
  test('the Event on the Configuration of a failed apply has the ending, the command for the log and the commands of a retry', () => {
    assert.deepEqual(failedApplyEvent(apply), {
      name: 'apply-failed.j-1',
      reason: 'ApplyFailed',
      action: 'explain',
      note:
        'The Job of terraform apply failed and is not retried by policy. ' +
        'Container terraform-executor of Pod c-1-apply-abcde exited with code 1. ' +
        'Its log: `kubectl -n jobs logs c-1-apply-abcde -c terraform-executor`. ' +
        'To run it again after fixing the cause: `kubectl -n jobs delete job c-1-apply && ' +
        `kubectl -n team-a annotate --overwrite configurations.terraform.core.oam.dev bucket ${RETRIED_AT}=$(date +%s)\`. ` +
        'Or run `terraform-daemon applies retry team-a/bucket`.',
    });
  });

  test('the Event on the Configuration of a failed destroy has one command for a retry, because terraform-controller creates the Job by itself', () => {
    const destroy = { ...job, name: 'c-1-destroy' };
    const { name, reason, note } = failedApplyEvent({ ...apply, job: destroy, action: 'destroy' });
    assert.deepEqual([name, reason], ['destroy-failed.j-1', 'DestroyFailed']);
    assert.match(note, /^The Job of terraform destroy failed /);
    assert.match(
      note,
      /cause: `kubectl -n jobs delete job c-1-destroy`\. terraform-controller creates it again\. Or run `terraform-daemon applies retry team-a\/bucket`\.$/,
    );
  });

  test('the Event on a Configuration names no log if no container has started', () => {
    const never: Ending = { kind: 'never-started', container: 'terraform-init', reason: 'ErrImagePull', ...pod };
    const { note } = failedApplyEvent({ ...apply, ending: never });
    assert.doesNotMatch(note, /log/);
    assert.match(note, /did not start\. To run it again/);
  });

  test('the Event on a Configuration has no free text of a Job in another namespace, which can have another owner', () => {
    const HACKED = 'HACKED by another team';
    const own = { ...job, namespace: 'team-a' };
    for (const { ending } of Object.values(failedPods)) {
      const reason = 'reason' in ending ? { ...ending, reason: HACKED } : ending;
      const forged: Ending = 'message' in reason ? { ...reason, message: HACKED } : reason;
      assert.doesNotMatch(failedApplyEvent({ ...apply, ending: forged }).note, /HACKED/, ending.kind);
      const { note } = failedApplyEvent({ ...apply, job: own, ending: forged });
      assert.equal(note.includes(HACKED), 'reason' in ending, ending.kind);
    }
  });

  test('the message of the Event on a Configuration has at most 1,024 characters also with the longest names', () => {
    const long = (letter: string, most = 63) => letter.repeat(most);
    const names = { job: { ...job, namespace: long('n'), name: long('j') } };
    const endings: readonly Ending[] = [
      { kind: 'refused', pod: long('p'), isKept: true, reason: long('r', 60), message: long('m', 200) },
      { ...ending, container: long('x'), pod: long('p'), reason: long('r', 60) },
      { kind: 'evicted', pod: long('p'), isKept: true, reason: long('r', 60), message: long('m', 200) },
      { kind: 'unknown' },
    ];
    for (const one of endings) {
      // The Job of the same namespace has the texts of its Pod.
      for (const namespace of [long('t'), long('n')]) {
        const of = { ...configuration, namespace, name: long('c') };
        const { note } = failedApplyEvent({ ...apply, ...names, configuration: of, ending: one });
        assert.ok(note.length <= 1_024, `${one.kind}: ${note.length}`);
        assert.match(note, /retried-at=\$\(date \+%s\)`\./, one.kind);
      }
    }
  });
});
