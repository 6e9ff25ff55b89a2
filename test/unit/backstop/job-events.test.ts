import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { CapDecision, ExplainDecision } from '../../../src/backstop/decide.ts';
import { missedEvent, notRetriedEvent } from '../../../src/backstop/job-events.ts';
import type { JobConfiguration } from '../../../src/terraform/configuration.ts';
import { type Ending, endingAfter, podEnding } from '../../../src/terraform/ending.ts';
import { aPod, failedPods } from '../../support/builders/failed-pods.ts';

const job = { namespace: 'team-a', name: 'oss-bucket-apply', uid: 'u-1', resourceVersion: '7' };
const apply: JobConfiguration = { action: 'apply', namespace: 'team-a', name: 'oss-bucket' };
const note = (ending: Ending, change: Partial<ExplainDecision> = {}): string => {
  const decision = { action: 'explain', job, hasFailed: true, isNews: true, configuration: apply } as const;
  return notRetriedEvent({ ...decision, caveats: [], reason: undefined, ...change }, ending).note;
};
const noteOf = (name: string): string => note(failedPods[name]?.ending ?? { kind: 'unknown' });

const FAILED = 'This Job failed, and the policy allows no retry.';
const DELETE = 'kubectl -n team-a delete job oss-bucket-apply';
const AGAIN = 'To run it again after fixing the cause';
const RETRY =
  `${AGAIN}: \`${DELETE} && kubectl -n team-a annotate --overwrite configurations.terraform.core.oam.dev oss-bucket ` +
  'terraform.job.kb.io/retried-at=$(date +%s)`.';

describe('the note of a NotRetried Event', () => {
  test('the note says which container exited, and has the commands for its log and for another run', () => {
    assert.equal(
      noteOf('a container that exited'),
      `${FAILED} Container terraform-executor of Pod oss-bucket-apply-x7k2p exited with code 1 (Error). Its log: ` +
        `\`kubectl -n team-a logs oss-bucket-apply-x7k2p -c terraform-executor\`. ${RETRY}`,
    );
  });

  for (const [name, { text, ending }] of Object.entries(failedPods)) {
    test(`the note about ${name} has its ending, and a command for the log only if the log can exist`, () => {
      const found = note(ending);
      assert.ok(found.startsWith(`${FAILED} ${text}`), found);
      assert.ok(found.endsWith(RETRY), found);
      const isLogRead = /`kubectl -n team-a logs /.test(found);
      const isLogGone = / log is deleted with /.test(found);
      const neverRan = ['never-started', 'refused', 'not-scheduled'].includes(ending.kind);
      assert.equal(Number(isLogRead) + Number(isLogGone), neverRan ? 0 : 1, found);
    });
  }

  test('without the right to list Pods the note says that the log may not exist', () => {
    const log = '`kubectl -n team-a logs job/oss-bucket-apply --all-containers --ignore-errors`';
    const unknown = 'How its Pod ended is not known. Its log, if it still exists:';
    assert.equal(note({ kind: 'unknown' }), `${FAILED} ${unknown} ${log}. ${RETRY}`);
  });

  test('the note about another reason than the limit does not name the policy', () => {
    const deadline = endingAfter('DeadlineExceeded', []);
    assert.equal(
      note(deadline, { reason: 'DeadlineExceeded' }),
      'This Job failed with DeadlineExceeded and is not retried. The Job was active for longer than its ' +
        `activeDeadlineSeconds. Any log is deleted with the Pod. ${RETRY}`,
    );
  });

  test('the note names terraform-controller and a Configuration only for a Job of terraform-controller', () => {
    const gone = endingAfter(undefined, []);
    const other = note(gone, { configuration: undefined });
    assert.ok(other.endsWith(`${AGAIN}, delete the Job (\`${DELETE}\`) and create it again.`), other);
    assert.doesNotMatch(other, /terraform-controller|Configuration/);
    const destroy = note(gone, { configuration: { ...apply, action: 'destroy' } });
    assert.ok(destroy.endsWith(`${AGAIN}: \`${DELETE}\`. terraform-controller creates it again.`), destroy);
    const byUid = note(gone, { configuration: { action: 'apply', name: 'oss-bucket', uid: 'u-2' } });
    const change = 'then change an annotation of the Configuration oss-bucket with the uid u-2.';
    assert.ok(byUid.endsWith(`${AGAIN}: \`${DELETE}\`, ${change}`), byUid);
  });

  test('the note has the caveats of the Job after the failure', () => {
    const found = note({ kind: 'unknown' }, { caveats: ['a may start again', 'b ends c'] });
    assert.ok(found.startsWith(`${FAILED} Note: a may start again; b ends c. How its Pod ended`), found);
  });
});

test('a shell reads each name in the commands of an Event about a Job as one word', () => {
  const evil = 'a;touch /tmp/owned';
  const about = { ...job, namespace: evil, name: evil };
  const found = note({ kind: 'unknown' }, { job: about, configuration: { ...apply, namespace: evil, name: evil } });
  const commands = found.match(/`[^`]+`/g) ?? [];
  assert.equal(commands.length, 2);
  for (const command of commands) assert.doesNotMatch(command.replaceAll(/'[^']*'/g, ''), /touch|;/);
});

test('the note of each Event about a Job has at most 1,024 characters', () => {
  const long = 'n'.repeat(63);
  const about = { ...job, namespace: long, name: long };
  const caveats = ['it was retried before it was capped', ...Array(4).fill('x'.repeat(83))];
  const reason = 'r'.repeat(60);
  const container = [{ name: long, state: { terminated: { exitCode: -2147483648, reason } } }];
  const statuses = [
    { containerStatuses: container },
    { initContainerStatuses: container },
    { reason, message: 'm'.repeat(300) },
    { reason: 'Evicted', message: 'm'.repeat(300), containerStatuses: [{ name: long }] },
    { conditions: [{ type: 'DisruptionTarget', status: 'True', reason }] },
    {
      reason,
      message: 'm'.repeat(300),
      conditions: [{ type: 'DisruptionTarget', status: 'True', reason: 'TerminationByKubelet' }],
    },
  ];
  const endings = statuses.map((status) => endingAfter(undefined, [podEnding(aPod(status, { name: long }))]));
  const configurations: JobConfiguration[] = [
    { action: 'apply', namespace: long, name: long },
    { action: 'apply', uid: 'cb32d57d-9351-4e33-80dc-aaf4249d0f34', name: long },
  ];
  for (const ending of [...endings, { kind: 'unknown' } as const]) {
    assert.notEqual(ending.kind, 'pod-gone');
    for (const configuration of configurations) {
      const { length } = note(ending, { job: about, caveats, reason, configuration });
      assert.ok(length <= 1024, `${ending.kind}: ${length}`);
    }
  }
  const cap: CapDecision = {
    action: 'cap',
    job: about,
    from: 6,
    to: 0,
    mark: undefined,
    reason: 'policy',
    needsPods: false,
  };
  for (const reason of ['policy', 'retried', 'shared-restarts', 'unknown-run'] as const) {
    assert.ok(missedEvent({ ...cap, reason }).note.length <= 1024);
  }
});
