import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { InspectionReport } from '../../../../src/commands/inspect/report.ts';
import { reportHtml } from '../../../../src/commands/inspect/report-html.ts';
import { sampleReports } from '../../../support/page/sample-reports.ts';

const samples = Object.entries(sampleReports);
const page = (name: string): string => reportHtml(sampleReports[name] as InspectionReport);
/** Returns the texts of the elements with a tag, without the tags in them. */
const texts = (name: string, tag: string): string[] =>
  [...page(name).matchAll(new RegExp(`<${tag}\\b[^>]*>(.*?)</${tag}>`, 'gs'))].map(([, text = '']) =>
    text.replaceAll(/<[^>]*>/g, ''),
  );

describe('the page of inspect', () => {
  const titles = {
    healthy: [
      'The webhook is healthy',
      'The endpoint answers, and the API server trusts its certificate. No action needed.',
    ],
    'in-rotation': [
      'The webhook is healthy',
      'The endpoint answers, and the API server trusts its certificate. The certificate authority is being rotated. No action needed.',
    ],
    'with failed runs': [
      'The webhook is healthy, 2 Terraform runs have failed',
      'The endpoint answers, and the API server trusts its certificate. The table shows each failed run.',
    ],
    unhealthy: ['5 problems need attention', 'The list begins with the cause.'],
    incomplete: [
      'No problem was found',
      'The endpoint was not called: terraform-job-webhook-service.vela-system.svc does not resolve from here.',
    ],
  };
  for (const [name, [title = '', lead = '']] of Object.entries(titles)) {
    test(`the page begins with the state of the webhook in plain words: ${name}`, () => {
      assert.deepEqual(texts(name, 'h1'), [title]);
      assert.ok(page(name).includes(`<p>${lead}</p>`), page(name).slice(-20_000));
    });
  }

  test('the page has each problem of the report, and each command once for the problems that share it', () => {
    const { problems } = sampleReports.unhealthy as InspectionReport;
    const [shown = ''] = page('unhealthy').split('id="runs"');
    for (const { message, reason } of problems) {
      assert.ok(shown.includes(`<p class="message">${message}</p><code class="quiet">${reason}</code>`), reason);
    }
    assert.deepEqual(
      [...shown.matchAll(/<code class="command">(.*?)<\/code>/g)].map(([, command]) => command),
      [...new Set(problems.map(({ command }) => command))],
    );
  });

  test('the page names each certificate by what it is, also in what the API server trusts', () => {
    const { certificateAuthority, nextCertificateAuthority } = sampleReports['in-rotation'] as InspectionReport;
    assert.ok(certificateAuthority && nextCertificateAuthority);
    assert.deepEqual(texts('in-rotation', 'h3').slice(0, 6), [
      'Certificate authority',
      'Serving certificate',
      'Next authority',
      'The API server trusts',
      'The endpoint presents',
      'The Secret has',
    ]);
    assert.deepEqual(texts('unhealthy', 'h3').slice(0, 3), [
      'Certificate authority',
      'Serving certificate',
      'Unknown authority',
    ]);
  });

  test('the page marks the phase of the rotation', () => {
    assert.match(page('in-rotation'), /<li class="now" aria-current="step"><b>settling<\/b>/);
    assert.match(page('healthy'), /<li class="now" aria-current="step"><b>stable<\/b>/);
  });

  test('the page has each failed and running Job with how it ended and its commands', () => {
    const { applies } = sampleReports['with failed runs'] as InspectionReport;
    const shown = page('with failed runs');
    assert.equal(applies?.runs.length, 3);
    for (const { namespace, configuration, ending, logCommand, retryCommand } of applies.runs) {
      assert.ok(shown.includes(`<th scope="row">${namespace}/${configuration}</th>`), `${configuration}`);
      if (ending) assert.ok(shown.includes(`<p>${ending.text}</p>`), ending.text);
      for (const command of [logCommand, retryCommand]) {
        if (command) assert.ok(shown.includes(`<code class="command">${command}</code>`), command);
      }
    }
  });

  test('the page has at most 100 runs, and names the command that lists all', () => {
    const shown = page('with many runs');
    assert.equal(shown.match(/<th scope="row">team-a/g)?.length, 100);
    assert.ok(shown.includes('3 more: terraform-daemon applies --all-namespaces'));
  });

  test('the page says if the user may not list Jobs', () => {
    assert.ok(page('unread').includes('The current user has no permission to list Jobs.'));
  });

  for (const [name] of samples) {
    test(`the page has a language, one main title, no level of titles left out, and no script: ${name}`, () => {
      const shown = page(name);
      assert.match(shown, /^<!doctype html>\n<html lang="en">/);
      const levels = [...shown.matchAll(/<h([1-6])/g)].map(([, level]) => Number(level));
      assert.equal(levels.filter((level) => level === 1).length, 1);
      for (const [index, level] of levels.entries()) assert.ok(level <= (levels[index - 1] ?? 0) + 1, `${levels}`);
      assert.doesNotMatch(shown, /<(script|img|link|iframe|object|form|a)\b| style=| on[a-z]+="/);
    });
  }
});
