import assert from 'node:assert/strict';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, type TestContext, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import type { Browser } from 'playwright-core';
import { timeAxis } from '../../src/commands/inspect/page/time-axis.ts';
import type { InspectionReport } from '../../src/commands/inspect/report.ts';
import { reportHtml } from '../../src/commands/inspect/report-html.ts';
import { printable } from '../../src/lib/text.ts';
import { aFolder } from '../support/builders/a-folder.ts';
import { eventually } from '../support/eventually.ts';
import { noBrowser, startBrowser } from '../support/page/browser.ts';
import { lowContrasts } from '../support/page/contrast.ts';
import { HOSTILE, sampleReports } from '../support/page/sample-reports.ts';

const names = Object.keys(sampleReports);

/** Matches a control character besides the line feed, or an invisible character, such as a change of the direction of text. */
const UNPRINTABLE = /[^\P{Cc}\n]|[\p{Cf}\p{Zl}\p{Zp}]/u;

let browser: Browser;
before(async () => {
  if (noBrowser === false) browser = await startBrowser();
});
after(() => browser?.close());

interface View {
  readonly colorScheme?: 'light' | 'dark';
  readonly width?: number;
  /** HTML at the end of the page. */
  readonly inject?: string;
}

/** Opens the page of a report as a user does: as a file. Records each request and each message of the console. */
async function open(t: TestContext, name: string, { colorScheme = 'light', width = 1280, inject = '' }: View = {}) {
  const report = sampleReports[name];
  assert.ok(report);
  const folder = await aFolder(t, {});
  const file = join(folder, 'inspect.html');
  await writeFile(file, reportHtml(report) + inject);
  const page = await browser.newPage({ colorScheme, viewport: { width, height: 800 } });
  t.after(() => page.close());
  const requests: string[] = [];
  const messages: string[] = [];
  page.on('request', (request) => requests.push(request.url()));
  page.on('console', (message) => messages.push(message.text()));
  page.on('pageerror', (error) => messages.push(error.message));
  const { href } = pathToFileURL(file);
  await page.goto(href);
  return { page, href, requests, messages };
}

describe('the page of inspect in Chromium', { skip: noBrowser }, () => {
  for (const name of names) {
    test(`the page requests nothing, violates no content security policy, and logs nothing: ${name}`, async (t) => {
      const { href, requests, messages } = await open(t, name);
      assert.deepEqual([requests, messages], [[href], []]);
    });

    test(`the page is as wide as the window of a phone: ${name}`, async (t) => {
      const { page } = await open(t, name, { width: 360 });
      assert.equal(await page.evaluate('document.documentElement.scrollWidth'), 360);
    });

    for (const colorScheme of ['light', 'dark'] as const) {
      test(`each text of the page has a contrast of 4.5 to its background, ${colorScheme}: ${name}`, async (t) => {
        const { page } = await open(t, name, { colorScheme });
        assert.deepEqual(await page.evaluate(lowContrasts), []);
      });
    }
  }

  test('the test of the contrast finds a text with a low contrast', async (t) => {
    const { page } = await open(t, 'healthy');
    assert.deepEqual(await page.evaluate(lowContrasts), []);
    await page.evaluate("document.querySelector('h1').style.color = '#8a8a8a'");
    assert.deepEqual(await page.evaluate(lowContrasts), ['The webhook is healthy']);
  });

  test('the page shows text of the cluster as text, and runs no script of it', async (t) => {
    const { page } = await open(t, 'hostile');
    const shown = printable(HOSTILE);
    assert.ok((await page.locator('.message').first().innerText()).startsWith(shown.slice(0, 60)));
    assert.doesNotMatch(await page.locator('body').evaluate(({ textContent }) => textContent), UNPRINTABLE);
    assert.equal(await page.locator('script, img').count(), 0);
    assert.doesNotMatch(await page.title(), /taken/);
    // Each element of the page is one of ours, and its attributes have only texts of ours.
    const ids = await page.locator('[id]').evaluateAll((all) => all.map(({ id }) => id));
    assert.ok(ids.length > 3 && ids.every((id) => /^[a-z0-9-]+$/.test(id)), ids.join());
  });

  test('the content security policy blocks a script, a style and an image that would get into the page', async (t) => {
    let connections = 0;
    const server = createServer(() => connections++).listen(0, '127.0.0.1');
    t.after(() => server.close());
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const image = `<img src="http://127.0.0.1:${port}/x">`;
    const { page, messages } = await open(t, 'healthy', {
      inject: `<script>document.title = "taken"</script><p style="color: red">x</p>${image}`,
    });
    assert.deepEqual([await page.title(), connections], ['The webhook is healthy · terraform-daemon', 0]);
    await eventually(() => {
      for (const what of ['script', 'style', 'image']) {
        assert.ok(
          messages.some((message) => message.includes(what)),
          `${what}: ${messages.join('\n')}`,
        );
      }
    });
  });

  test('the page has other colours in a dark colour scheme, and is light on paper', async (t) => {
    const colours = [];
    for (const colorScheme of ['light', 'dark'] as const) {
      const { page } = await open(t, 'healthy', { colorScheme });
      const background = () => page.evaluate('getComputedStyle(document.body).backgroundColor');
      colours.push(await background());
      await page.emulateMedia({ media: 'print' });
      assert.equal(await background(), 'rgb(255, 255, 255)');
    }
    assert.notEqual(colours[0], colours[1]);
  });

  test('the bars of the page have the share of the axis that the certificates are valid', async (t) => {
    const { page } = await open(t, 'healthy');
    const shares = await page
      .locator('.bars .due')
      .evaluateAll((bars) => bars.map((bar) => bar.getBoundingClientRect().width / bar.parentElement.clientWidth));
    const { certificateAuthority, serving } = sampleReports.healthy as InspectionReport;
    const left = [certificateAuthority?.leftMs ?? 0, serving?.leftMs ?? 0];
    const { position } = timeAxis(left);
    assert.deepEqual(
      shares.map((share: number) => share.toFixed(2)),
      left.map((ms) => (position(ms) / 100).toFixed(2)),
    );
  });
});
