import { join } from 'node:path';
import type { InspectionReport } from '../../src/commands/inspect/report.ts';
import { reportHtml } from '../../src/commands/inspect/report-html.ts';
import { readArguments } from '../../tools/arguments.ts';
import { noBrowser, startBrowser } from '../support/page/browser.ts';
import { sampleReports } from '../support/page/sample-reports.ts';

readArguments(`npm run page

Makes the pictures of the page of inspect in docs/reference.`);

const WIDTH = 920;
const MARGIN = 24;
const folder = join(import.meta.dirname, '..', '..', 'docs', 'reference');
/** `from` and `to` are the ids of sections. A picture of the whole page would be large. */
const pictures = [
  { report: 'with failed runs', colorScheme: 'light', from: undefined, to: 'trust' },
  { report: 'in-rotation', colorScheme: 'dark', from: 'certificates', to: 'details' },
] as const;

if (noBrowser !== false) throw new Error(noBrowser);
const browser = await startBrowser();
try {
  for (const { report, colorScheme, from, to } of pictures) {
    const page = await browser.newPage({ colorScheme, viewport: { width: WIDTH, height: 800 } });
    await page.setContent(reportHtml(sampleReports[report] as InspectionReport));
    const topOf = async (id: string) => (await page.locator(`section[aria-labelledby=${id}]`).boundingBox())?.y ?? 0;
    const y = from === undefined ? 0 : (await topOf(from)) - MARGIN;
    const clip = { x: 0, y, width: WIDTH, height: (await topOf(to)) - MARGIN / 2 - y };
    await page.screenshot({ path: join(folder, `inspect-${colorScheme}.png`), fullPage: true, clip });
  }
} finally {
  await browser.close();
}
