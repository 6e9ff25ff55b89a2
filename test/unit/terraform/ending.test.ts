import assert from 'node:assert/strict';
import { describe, it, test } from 'node:test';
import { type Ending, endingOf, failureOf, podEnding, withEarlier } from '../../../src/terraform/ending.ts';
import { endingText, logCommandOf, logStateOf, withoutFreeText } from '../../../src/terraform/ending-text.ts';
import { endingTexts } from '../../../tools/docs/texts.ts';
import { aTerraformJob, type Json } from '../../support/builders/a-job.ts';
import { aPod, failedPods } from '../../support/builders/failed-pods.ts';

const failed = (reason = 'BackoffLimitExceeded', type = 'Failed') =>
  aTerraformJob({ conditions: [{ type, status: 'True', reason }] });
const endingWith = (pods: readonly Json[], job = failed()) => endingOf(job, pods.map(podEnding));
const podOf = (name: string): Json => failedPods[name]?.pod;
const exit = (name: string, finishedAt: string, exitCode = 1) => ({
  name,
  state: { terminated: { exitCode, reason: 'Error', finishedAt } },
});

describe('how a failed Job ended', () => {
  for (const [what, { pod, ending, text }] of Object.entries(failedPods)) {
    test(`${what} has the ending ${ending.kind}, and a text about it`, () => {
      assert.deepEqual(endingWith([pod]), ending);
      assert.equal(endingText(ending), text);
    });
  }

  it('a Job without a Pod has the ending pod-gone, and a Job whose Pods cannot be read has the ending unknown', () => {
    assert.deepEqual(endingWith([]), { kind: 'pod-gone', pod: undefined });
    assert.equal(endingText(endingWith([])), 'The Job has no Pod any more, so how it ended is not known.');
    assert.deepEqual(endingOf(failed(), undefined), { kind: 'unknown' });
    assert.equal(endingText({ kind: 'unknown' }), 'How its Pod ended is not known.');
  });

  it('docs/reference/reasons.md lists each ending, and a Pod of these tests has it', () => {
    const kinds = new Set(Object.values(failedPods).map(({ ending }) => ending.kind));
    assert.deepEqual([...kinds, 'unknown'].sort(), Object.keys(endingTexts).sort());
  });

  it('a failed Job whose Pods run or have succeeded has the ending unknown', () => {
    const running = aPod({ phase: 'Running', containerStatuses: [{ name: 'x', state: { running: {} } }] });
    assert.deepEqual(endingWith([running, aPod({ phase: 'Succeeded' }), {}, null]), { kind: 'unknown' });
  });

  it('a Job that exceeded its deadline has the ending deadline, unless its Pod never started', () => {
    for (const type of ['Failed', 'FailureTarget']) {
      const late = failed('DeadlineExceeded', type);
      const deadline: Ending = { kind: 'deadline', pod: undefined };
      for (const pods of [[], [podOf('a Pod that was deleted while it ran')], [podOf('a container that exited')]]) {
        assert.deepEqual(endingWith(pods, late), deadline);
      }
      assert.deepEqual(endingOf(late, undefined), deadline);
      assert.equal(endingText(deadline), 'The Job was active for longer than its activeDeadlineSeconds.');
      assert.equal(endingWith([podOf('a container whose image cannot be pulled')], late).kind, 'never-started');
      assert.equal(endingWith([podOf('a Pod without a node')], late).kind, 'not-scheduled');
    }
  });

  it('of several failed Pods the last one counts, and a Pod that is being deleted only if there is no other', () => {
    const first = podOf('a container that exited');
    const created = (at: string, metadata: object = {}): Json => {
      const pod = podOf('an init container that exited');
      return { ...pod, metadata: { ...pod.metadata, creationTimestamp: at, ...metadata } };
    };
    assert.equal(endingWith([first, created('2026-11-29T10:05:00Z')]).kind, 'init-failed');
    assert.equal(endingWith([created('2026-11-29T09:05:00Z'), first]).kind, 'exited');
    const deleted = created('2026-11-29T10:05:00Z', { deletionTimestamp: '2026-11-29T10:06:00Z' });
    assert.equal(endingWith([deleted, first]).kind, 'exited');
    assert.equal(endingWith([deleted]).kind, 'init-failed');
  });

  it('of several failed containers the first one to finish counts, and a sidecar never does', () => {
    const containers = [exit('late', '2026-11-29T10:00:02Z'), exit('early', '2026-11-29T10:00:01Z')];
    const ending = endingWith([aPod({ containerStatuses: [...containers, exit('fine', '2026-11-29T10:00:00Z', 0)] })]);
    assert.equal(ending.kind === 'exited' && ending.container, 'early');
    const pod = aPod({
      initContainerStatuses: [exit('sidecar', '2026-11-29T10:00:00Z')],
      containerStatuses: containers,
    });
    const spec = { ...pod.spec, initContainers: [{ name: 'sidecar', restartPolicy: 'Always' }] };
    assert.deepEqual(endingWith([{ ...pod, spec }]), ending);
    assert.deepEqual(endingWith([{ ...pod, spec, status: { ...pod.status, containerStatuses: [] } }]), {
      kind: 'unknown',
    });
  });

  it('a DisruptionTarget condition that is False does not count', () => {
    const pod = podOf('a container that exited');
    const conditions = [{ type: 'DisruptionTarget', status: 'False', reason: 'EvictionByEvictionAPI' }];
    assert.equal(endingWith([{ ...pod, status: { ...pod.status, conditions } }]).kind, 'exited');
  });

  it('an ending never contains the termination message of a container', () => {
    const message = 'password=hunter2';
    const state = {
      terminated: { exitCode: 1, reason: 'Error', message },
      waiting: { reason: 'ErrImagePull', message },
    };
    const pods = [
      aPod({ containerStatuses: [{ name: 'x', state }] }),
      aPod({ initContainerStatuses: [{ name: 'x', state }] }),
    ];
    for (const pod of pods) assert.doesNotMatch(JSON.stringify(podEnding(pod)), /hunter2/);
  });

  it('texts of the cluster in an ending have no control characters and a limited length', () => {
    const text = `\u001b[31m\n${'x'.repeat(5_000)}`;
    const state = { terminated: { exitCode: 1, reason: text } };
    const metadata = { name: text };
    const pods = [
      aPod({ reason: text, message: text }, metadata),
      aPod({ containerStatuses: [{ name: text, state }] }, metadata),
      aPod({ initContainerStatuses: [{ name: text, state }] }, metadata),
      aPod({ conditions: [{ type: 'DisruptionTarget', status: 'True', reason: text }] }, metadata),
    ];
    for (const pod of pods) {
      const ending = endingWith([pod]);
      assert.notEqual(ending.kind, 'unknown');
      assert.match(endingText(ending), /^[\x20-\x7e]{20,460}$/);
    }
    assert.match(failureOf(failed(text))?.reason ?? '', /^[\x20-\x7e]{60}$/);
  });

  it('a container that is not in the spec of its Pod is in no ending', () => {
    const job = { namespace: 'team-a', name: 'oss-bucket-apply' };
    const forged = 'x;touch /tmp/owned;#';
    const states = [
      { terminated: { exitCode: 1, reason: 'Error' } },
      { terminated: { exitCode: 137, reason: 'OOMKilled' } },
      { terminated: { exitCode: 128, reason: 'StartError' } },
      { waiting: { reason: 'ErrImagePull' } },
    ];
    const { spec } = aPod({});
    const [init, main] = [spec.initContainers[1], spec.containers[0]];
    for (const state of states) {
      for (const field of ['state', 'lastState']) {
        const statuses = (name: string) => [{ name, [field]: state, containerID: 'x' }];
        for (const list of ['initContainerStatuses', 'containerStatuses']) {
          const ending = endingWith([{ ...aPod({ [list]: statuses(forged) }), spec }]);
          assert.ok(!('container' in ending), JSON.stringify(ending));
          assert.doesNotMatch(`${endingText(ending)} ${logCommandOf(job, ending)}`, /touch/);
        }
        // A main container is no init container.
        assert.ok(!('container' in endingWith([{ ...aPod({ initContainerStatuses: statuses(main.name) }), spec }])));
        assert.ok(!('container' in endingWith([{ ...aPod({ containerStatuses: statuses(init.name) }), spec }])));
      }
    }
    assert.ok('container' in endingWith([{ ...aPod({ containerStatuses: [exit(main.name, '')] }), spec }]));
  });

  it('a shell reads each name in the command for a log as one word', () => {
    const evil = 'a b;$(c)';
    const quoted = `'${evil}'`;
    const where = { namespace: evil, name: evil };
    const pod = { pod: evil, isKept: true };
    const commands: [Ending, string][] = [
      [{ kind: 'exited', container: evil, exitCode: 1, reason: 'Error', ...pod }, `${quoted} -c ${quoted}`],
      [{ kind: 'deadline', pod: evil }, `${quoted} --all-containers --ignore-errors`],
      [{ kind: 'unknown' }, `'job/${quoted.slice(1)} --all-containers --ignore-errors`],
    ];
    for (const [ending, rest] of commands) {
      assert.equal(logCommandOf(where, ending), `kubectl -n ${quoted} logs ${rest}`);
    }
  });

  it('without free text each ending keeps its names, its exit code and the words of ours, and no text of a status', () => {
    for (const { ending, text } of Object.values(failedPods)) {
      const free = 'reason' in ending ? { ...ending, reason: 'HACKED' } : ending;
      const forged: Ending = 'message' in free ? { ...free, message: 'HACKED' } : free;
      assert.doesNotMatch(endingText(withoutFreeText(forged)), /HACKED|undefined|\( *\)| \.|: *\./, ending.kind);
      const own = withoutFreeText(ending);
      assert.equal(logStateOf(own), logStateOf(ending), text);
      assert.deepEqual({ ...own, reason: '', message: '' }, { ...ending, reason: '', message: '' });
    }
    const lost = failedPods['a Pod whose node was removed'];
    assert.ok(lost && endingText(withoutFreeText(lost.ending)) === lost.text);
  });

  it('a Job fails from the condition FailureTarget on, and has failed with the condition Failed', () => {
    for (const job of [undefined, aTerraformJob(), failed('x', 'Complete')]) assert.equal(failureOf(job), undefined);
    assert.deepEqual(failureOf(failed('x', 'FailureTarget')), { hasFailed: false, reason: 'x', at: '' });
    const conditions = ['FailureTarget', 'Failed'].map((type) => ({ type, status: 'True', reason: type }));
    assert.deepEqual(failureOf(aTerraformJob({ conditions })), { hasFailed: true, reason: 'Failed', at: '' });
    const untrue = aTerraformJob({ conditions: [{ type: 'Failed', status: 'False', reason: 'x' }] });
    assert.equal(failureOf(untrue), undefined);
  });

  it('what was seen before the Pods were deleted counts if they no longer show the ending, and their log is gone', () => {
    const gone: Ending = { kind: 'pod-gone', pod: undefined };
    const seen = endingWith([podOf('a container that exited')]);
    assert.deepEqual(withEarlier(gone, seen), { ...seen, isKept: false });
    assert.deepEqual(withEarlier({ kind: 'unknown' }, seen), seen, 'the Pods cannot be read any more');
    const init = endingWith([podOf('an init container that exited')]);
    assert.deepEqual(withEarlier(init, seen), init);
    const own = endingWith([podOf('a Pod with a deadline of its own')]);
    assert.deepEqual(withEarlier(own, seen), own);
    assert.deepEqual(withEarlier(gone, own), own);
    assert.deepEqual(withEarlier(gone, undefined), gone);
  });
});

describe('the log of a failed Job', () => {
  const job = { namespace: 'team-a', name: 'oss-bucket-apply' };
  const logOf = (name: string) => {
    const ending = failedPods[name]?.ending ?? { kind: 'unknown' };
    return [logStateOf(ending), logCommandOf(job, ending)];
  };

  it('the command reads the log of the container that failed, or of all containers if none is known', () => {
    const command = 'kubectl -n team-a logs';
    assert.deepEqual(logOf('an init container that exited'), [
      'kept',
      `${command} oss-bucket-apply-x7k2p -c terraform-init`,
    ]);
    const all = '--all-containers --ignore-errors';
    assert.deepEqual(logOf('a Pod with a deadline of its own'), ['kept', `${command} oss-bucket-apply-x7k2p ${all}`]);
    assert.deepEqual(logOf('a Pod whose node shut down'), ['uncertain', `${command} oss-bucket-apply-x7k2p ${all}`]);
    assert.deepEqual(logOf('nothing'), ['uncertain', `${command} job/oss-bucket-apply ${all}`]);
  });

  it('there is no command if the log was deleted, or if no container started', () => {
    const without = Object.entries(failedPods).filter(([name]) => logOf(name)[1] === undefined);
    for (const [name, { ending }] of without) {
      const isNone = ['never-started', 'refused', 'not-scheduled'].includes(ending.kind);
      assert.equal(logOf(name)[0], isNone ? 'none' : 'gone', name);
    }
    const kinds = new Set(without.map(([, { ending }]) => ending.kind));
    const expected = [
      'disrupted',
      'evicted',
      'exited',
      'never-started',
      'node-lost',
      'not-scheduled',
      'pod-gone',
      'refused',
    ];
    assert.deepEqual([...kinds].sort(), expected);
    assert.equal(logStateOf({ kind: 'deadline', pod: undefined }), 'gone');
  });
});
