import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { readConfig } from '../../../../src/cli/config.ts';
import { bar, relativeTime } from '../../../../src/commands/formats.ts';
import { reportText } from '../../../../src/commands/inspect/report-text.ts';
import { joinCertificates, type Pem } from '../../../../src/lib/pem.ts';
import { aCertificateSet, stored } from '../../../support/builders/a-certificate-set.ts';
import { marked, plain } from '../../../support/builders/a-terminal.ts';
import { anInspection, type Sight } from '../../../support/builders/an-inspection.ts';

const DAY_MS = 86_400_000;
const set = await aCertificateSet();
const other = await aCertificateSet({ nth: 2 });
const fullText = (sight: Partial<Sight> = {}): string => reportText(anInspection({ set, ...sight }), plain);

/** Has a subject in Chinese, of which each character takes two columns of a terminal. */
const chinese = await aCertificateSet({
  options: readConfig({
    subject: 'CN=准入,OU=平台基础设施与数据库运维部,O=北京某某云计算数据科技有限公司（海淀分公司）,L=北京市海淀区,C=CN',
  }).certificates,
});

const paused = { ...stored(set).annotations, 'terraform.job.kb.io/paused': 'true' };
const sights: Readonly<Record<string, Partial<Sight>>> = {
  'a healthy one': {},
  'one with everything wrong': {
    afterMs: 90 * DAY_MS,
    liveBundle: `${joinCertificates([other.caBundle])}${other.caBundle}-----BEGIN junk` as Pem,
    secret: { annotations: paused, labels: {} },
    facts: { endpoint: { outcome: 'failed', address: `${'x'.repeat(120)}:443`, why: 'no answer in 5 s' } },
  },
  'one of an endpoint that was not called': {
    facts: { endpoint: { outcome: 'not-dialled', why: `${'x'.repeat(120)} does not resolve from here`, how: [] } },
  },
  'one with a Chinese subject': { set: chinese },
  'one of nothing': { facts: { secret: 'absent', registration: 'absent' } },
  'one of what may not be read': { facts: { secret: 'refused', registration: 'refused' } },
};

describe('the text report of inspect', () => {
  for (const [what, sight] of Object.entries(sights)) {
    test(`the facts of the inspect report fit on 40 lines and 100 columns: ${what}`, () => {
      const lines = fullText(sight).trimEnd().split('\n');
      // The facts are the lines before the result, so the index of the result is the number of facts.
      const facts = lines.findIndex((line) => line.startsWith('verdict:'));
      assert.ok(facts < 40, `${facts} lines of facts`);
      // A command stays on one line so that it can be pasted, and a word that is longer than a line stays whole.
      const isWhole = (line: string): boolean => /^ *(kubectl .*|([a-z]+ +)?\S+)$/.test(line);
      const width = (line: string): number => line.replaceAll(/\p{Script=Han}/gu, '##').length;
      for (const line of lines) assert.ok(width(line) <= 100 || isWhole(line), line);
      for (const line of lines) assert.equal(line, line.trimEnd());
    });
  }

  test('the text report of inspect has its date, the validity and time left of the certificate, the state of the Secret, and the verdict', () => {
    const text = fullText({ afterMs: 29 * DAY_MS });
    for (const line of [
      'terraform-daemon, as of 2026-03-30 12:00:00Z',
      '  left         [##############------] 61 of 90 days',
      '  valid        2026-03-01 11:00:00Z to 2026-05-30 12:00:00Z',
      '  state        type kubernetes.io/tls, managed by terraform-daemon, not paused, no rotation request',
      '  calls        Service vela-system/terraform-job-webhook-service:443/modify-terraform-job',
      '  called       10.0.0.1:443, server name terraform-job-webhook-service.vela-system.svc',
      '  verified     yes, with the live CA bundle',
      '  phase        stable',
      '  renewal      2026-04-30 12:00:00Z, in 31 days (serving certificate)',
      'verdict: healthy',
    ]) {
      assert.ok(text.split('\n').includes(line), `${line}\n\n${text}`);
    }
    assert.match(
      text,
      /\n {2}trusts {7}in the Secret: (..:){3}..…(..:){3}.. until 2036-02-27 12:00:00Z \(CN=Kubernetes\)\n/,
    );
  });

  test('the report of inspect lists each problem with its reason and each command once', () => {
    const text = fullText({ afterMs: 90 * DAY_MS, liveBundle: '' as Pem });
    const [, problems] = text.split('verdict: ');
    assert.equal(
      problems,
      `2 problems
  1. expired (Secret): the certificate is no longer valid
  2. untrusted (registration): the live CA bundle does not verify the serving certificate of the
     Secret: the bundle is empty
     kubectl -n vela-system rollout restart deployment terraform-daemon
`,
    );
  });

  test('the report of inspect says why the endpoint was not called, and claims nothing about it', () => {
    const why = 'terraform-job-webhook-service.vela-system.svc does not resolve from here';
    const how = ['terraform-daemon inspect --address 127.0.0.1:8443'];
    const text = fullText({ facts: { endpoint: { outcome: 'not-dialled', why, how } } });
    const [facts, verdict] = text.split('\nverdict: ');
    assert.ok(facts?.includes(`\n  called       no: ${why}\n               ${how[0]}\n`), facts);
    assert.equal(
      verdict,
      `incomplete: no problem was found, but the endpoint was not called
  terraform-job-webhook-service.vela-system.svc does not resolve from here
`,
    );
  });

  test('the report of inspect says in words what its colours say', () => {
    const problem = fullText({ liveBundle: '' as Pem });
    const colours = (text: string): readonly string[] => [...text.matchAll(/<(\w+)>(.*?)<\/>/g)].map(([all]) => all);
    const coloured = reportText(anInspection({ set, liveBundle: '' as Pem }), marked);
    const words = (text: string): readonly string[] => text.split(/\s+/);
    assert.deepEqual(words(coloured.replaceAll(/<\w*>|<\/>/g, '')), words(problem));
    const painted = colours(coloured);
    for (const expected of [
      '<good>[####################] 89 of 90 days</>',
      '<bad>no CA</>',
      '<bad>untrusted</>',
      '<bad>1 problem</>',
      '<title>ENDPOINT</>',
    ]) {
      assert.ok(painted.includes(expected), `${expected}\n${painted.join('\n')}`);
    }
    assert.match(reportText(anInspection({ set }), marked), /\nverdict: <good>healthy<\/>\n$/);
  });

  test('the report of inspect has each command on one line', () => {
    assert.ok(
      fullText({ secret: { labels: {} }, liveBundle: other.caBundle }).includes(`
     kubectl -n vela-system label --overwrite secret terraform-job-webhook-cert app.kubernetes.io/managed-by=terraform-daemon
`),
    );
  });
});

describe('the terminal output of inspect', () => {
  test('inspect shows the remaining lifetime as a bar', () => {
    assert.equal(bar(90 * DAY_MS, 90 * DAY_MS), `[${'#'.repeat(20)}] 90 of 90 days`);
    // One second later, the page of inspect says `89 days left`.
    assert.equal(bar(90 * DAY_MS - 1_000, 90 * DAY_MS), `[${'#'.repeat(20)}] 89 of 90 days`);
    assert.equal(bar(1, 90 * DAY_MS), `[#${'-'.repeat(19)}] 0 of 90 days`);
    assert.equal(bar(0, 90 * DAY_MS), `[${'-'.repeat(20)}] 0 of 90 days`);
    assert.equal(bar(30_000, 60_000), `[${'#'.repeat(10)}${'-'.repeat(10)}] 30 of 60 seconds`);
    assert.equal(bar(0, 0), `[${'-'.repeat(20)}] 0 of 0 seconds`);
  });

  test('inspect shows a duration in the largest unit of which there are at least two', () => {
    const now = new Date(0);
    assert.equal(relativeTime(new Date(2 * DAY_MS), now), 'in 2 days');
    assert.equal(relativeTime(new Date(2 * DAY_MS - 1), now), 'in 47 hours');
    assert.equal(relativeTime(new Date(-90_000), now), '90 seconds ago');
  });
});
