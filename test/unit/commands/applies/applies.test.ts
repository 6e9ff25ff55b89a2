import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { z } from 'zod';
import schema from '../../../../docs/reference/applies.schema.json' with { type: 'json' };
import { type Apply, applyOf, belongsTo, readConfiguration } from '../../../../src/commands/applies/apply.ts';
import { nearNames } from '../../../../src/commands/applies/near-names.ts';
import { readEnding } from '../../../../src/commands/applies/observations.ts';
import { createReport, type EndedApply, type ReadApplies } from '../../../../src/commands/applies/report.ts';
import { appliesText } from '../../../../src/commands/applies/report-text.ts';
import { target } from '../../../../src/commands/applies/target.ts';
import { endingOf, podEnding } from '../../../../src/terraform/ending.ts';
import type { Json } from '../../../support/builders/a-job.ts';
import { plain } from '../../../support/builders/a-terminal.ts';
import { anApply, aStoredConfiguration, aStoredJob, UID } from '../../../support/builders/an-apply.ts';
import { failedPods } from '../../../support/builders/failed-pods.ts';
import { noApplies } from '../../../support/builders/no-applies.ts';

const NOW = new Date('2026-11-29T12:00:00Z');
const podOf = (name: string): Json => failedPods[name]?.pod;

describe('a stored Job in applies', () => {
  it('a failed, a complete and an unfinished Job have the states failed, succeeded and running', () => {
    assert.deepEqual(
      [['Failed'], ['Complete'], [], ['FailureTarget'], ['Suspended']].map((types) => anApply({ types })?.state),
      ['failed', 'succeeded', 'running', 'running', 'running'],
    );
  });

  it('a Job of terraform-controller is capped if its backoffLimit is 0 or below the value before in its mark', () => {
    const isCapped = (backoffLimit: number, mark?: string) =>
      anApply({ backoffLimit, ...(mark && { annotations: { 'terraform.job.kb.io/capped': mark } }) }).isCapped;
    const mark = '{"rule":"terraform","backoffLimit":6,"restartPolicy":"OnFailure"}';
    assert.deepEqual([isCapped(0), isCapped(0, 'x'), isCapped(2, mark), isCapped(5, mark)], [true, true, true, true]);
    assert.deepEqual([isCapped(2), isCapped(6, mark), isCapped(2 ** 31 - 1, mark)], [false, false, false]);
    for (const forged of ['{}', 'x', '{"rule":"terraform","restartPolicy":"OnFailure"}', '{"backoffLimit":null}']) {
      assert.equal(isCapped(2, forged), false, forged);
    }
  });

  it('another Job counts only with the annotation of a cap', () => {
    const other = aStoredJob({ serviceAccountName: 'default' });
    assert.equal(applyOf(other), undefined);
    const marked = aStoredJob({ serviceAccountName: 'default', annotations: { 'terraform.job.kb.io/capped': '{}' } });
    assert.equal(applyOf(marked)?.of, undefined);
    for (const junk of [undefined, null, 1, [], {}, { metadata: { name: 1 } }]) assert.equal(applyOf(junk), undefined);
  });

  it('belongs to the Configuration of the same namespace and name, or of the same uid', () => {
    const configuration = readConfiguration(aStoredConfiguration());
    assert.ok(configuration);
    assert.ok(belongsTo(anApply({}), configuration));
    assert.ok(belongsTo(anApply({ name: `${UID}-apply`, namespace: 'vela-system' }), configuration));
    assert.ok(!belongsTo(anApply({ namespace: 'team-b' }), configuration));
    assert.ok(!belongsTo(anApply({ name: `${UID.replace('c', 'd')}-apply` }), configuration));
  });
});

describe('the ending of a failed Job in applies', () => {
  it('is unknown for a Job with manualSelector, whose Pods lack the label, and pod-gone for another Job without Pods', async () => {
    const apply = anApply({ types: ['Failed'] });
    const store = { pods: async () => [] };
    const manual: Apply = { ...apply, job: { ...apply.job, manualSelector: true } };
    assert.deepEqual(await readEnding(store, manual), { ending: { kind: 'unknown' }, isRefused: false });
    assert.equal((await readEnding(store, apply)).ending.kind, 'pod-gone');
  });
});

describe('the report of applies', () => {
  const read = (applies: readonly EndedApply[], fields: Partial<ReadApplies> = {}) =>
    createReport(
      {
        namespace: undefined,
        applies,
        configurations: [],
        arePodsRefused: false,
        areConfigurationsRefused: false,
        hidden: [],
        isEveryJobKnown: true,
        ...fields,
      },
      NOW,
    );
  const failed = (apply: Apply, pods?: readonly Json[]): EndedApply => ({
    ...apply,
    ending: endingOf({ status: apply.status }, pods?.map(podEnding)),
  });
  const FAILED = { types: ['Failed'], createdAt: '2026-11-29T11:00:00Z' };
  const textOf = (report: ReturnType<typeof read>, terminal = plain) => appliesText(report, terminal);
  const exited = Object.keys(failedPods).find((name) => failedPods[name]?.ending.kind === 'exited') ?? '';

  it('shows failed Jobs first, with exit code, age, ending, log and retry', () => {
    const running = { ...anApply({ name: 'logs-apply', volume: 'logs' }), ending: undefined };
    const report = read([running, failed(anApply(FAILED), [podOf(exited)])]);
    z.fromJSONSchema(schema as never).parse(JSON.parse(JSON.stringify(report)));
    assert.equal(report.verdict, 'failed');
    const text = textOf(report);
    assert.match(text, /^NAMESPACE +CONFIGURATION +JOB +ACTION +STATE +EXIT CODE +CREATED\n/);
    assert.match(text, /\nteam-a +oss-bucket +oss-bucket-apply +apply +failed +1 +60 minutes ago\n/);
    assert.match(text, /\nteam-a +logs +logs-apply +apply +running +- +/);
    assert.match(text, /\nteam-a\/oss-bucket: failed\n {2}ending +Container .* exited with code 1/);
    assert.match(text, /\n {2}log +kubectl -n team-a logs /);
    assert.match(text, /\n {2}retry +terraform-daemon applies retry team-a\/oss-bucket\n/);
    assert.match(text, /\nverdict: failed: /);
  });

  it('is none if only running Jobs exist, and names a Job that is not capped', () => {
    const report = read([{ ...anApply({ backoffLimit: 6 }), ending: undefined }]);
    assert.equal(report.verdict, 'none');
    assert.match(textOf(report), / running, not capped +- /);
  });

  it('its commands name the kubeconfig that the user named', () => {
    const [apply] = createReport(
      { ...noApplies, applies: [failed(anApply(FAILED), [podOf(exited)])] },
      NOW,
      'a b',
    ).applies;
    assert.match(apply?.logCommand ?? '', /^kubectl -n team-a logs .* --kubeconfig 'a b'$/);
    assert.equal(apply?.retryCommand, "terraform-daemon applies retry team-a/oss-bucket --kubeconfig 'a b'");
  });

  it('is none for the listed namespace only, and names -A', () => {
    const text = textOf(read([], { namespace: 'default' }));
    assert.equal(text, 'verdict: none: no apply and no destroy has failed in namespace default (all: -A)\n');
    assert.equal(textOf(read([])), 'verdict: none: no apply and no destroy has failed\n');
  });

  it('wraps the verdict on a narrow terminal', () => {
    const text = textOf(read([], { isEveryJobKnown: false }), { ...plain, width: 60 });
    assert.match(text, /^verdict: incomplete: no failed .*\n {21}\S.*\n( {21}\S.*\n)*$/);
    assert.ok(
      text.split('\n').every((line) => line.length <= 60),
      text,
    );
  });

  it('without the right to list Pods a note says so and the exit code is unknown', () => {
    const text = textOf(read([failed(anApply(FAILED))], { arePodsRefused: true }));
    assert.match(text, / failed +unknown +/);
    assert.match(text, /\nnote: the current user may not list Pods, so the exit codes are unknown\n/);
  });

  it('a Job with the uid of a Configuration is shown with the Configuration, or without a retry if that is unknown', () => {
    const apply = failed(anApply({ ...FAILED, name: `${UID}-apply`, namespace: 'vela-system' }));
    const configuration = readConfiguration(aStoredConfiguration());
    assert.ok(configuration);
    const known = read([apply], { configurations: [configuration] });
    assert.match(textOf(known), new RegExp(`\nteam-a +oss-bucket +vela-system/${UID}-apply +apply +failed `));
    assert.equal(known.applies[0]?.retryCommand, 'terraform-daemon applies retry team-a/oss-bucket');
    const unknown = read([apply], { areConfigurationsRefused: true });
    assert.match(textOf(unknown), new RegExp(`\nvela-system +oss-bucket +${UID}-apply +apply +failed `));
    assert.equal(unknown.applies[0]?.retryCommand, null);
    assert.match(textOf(unknown).replaceAll(/\s+/g, ' '), /note: the current user may not list Configurations/);
  });

  it('is incomplete if no failed Job was found and a Job can be hidden', () => {
    const configuration = readConfiguration(aStoredConfiguration());
    assert.ok(configuration);
    const report = read([], { hidden: [configuration], isEveryJobKnown: false });
    assert.equal(report.verdict, 'incomplete');
    assert.match(textOf(report), /^note: no Job was found for team-a\/oss-bucket, and /);
  });

  it('escapes the control characters of each text of the cluster', () => {
    const apply = failed(anApply({ ...FAILED, name: 'a-apply', volume: 'a' }), [podOf(exited)]);
    const hostile = { ...apply, job: { ...apply.job, name: 'a\u001b[2J\u202e', namespace: 'b\u0007' } };
    // biome-ignore lint/suspicious/noControlCharactersInRegex: the text must have none
    assert.doesNotMatch(textOf(read([hostile])), /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202e]/);
  });
});

describe('the argument of applies retry', () => {
  it('must be the namespace and the name of a Configuration', () => {
    assert.deepEqual(target('team-a/oss.bucket'), { value: { namespace: 'team-a', name: 'oss.bucket' } });
    for (const text of ['', 'a', '/', 'a/', '/b', 'a/b/c', 'A/b', 'a/B', 'a.b/c', 'a/../b', 'a/b ', ' a/b']) {
      assert.ok('allowed' in target(text), text);
    }
  });

  it('a mistyped name gets the nearest names, and a different name gets none', () => {
    const names = ['team-a/bucket', 'team-a/bucket-logs', 'team-b/bucket', 'prod/database'];
    assert.deepEqual(nearNames('team-a/bukcet', names), ['team-a/bucket', 'team-b/bucket']);
    assert.deepEqual(nearNames('team-a/bucket-', names)[0], 'team-a/bucket');
    assert.deepEqual(nearNames('x/y', names), []);
    assert.deepEqual(nearNames('team-a/bucket', []), []);
  });
});
