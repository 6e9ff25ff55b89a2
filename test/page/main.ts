import { join } from 'node:path';
import type { InspectionReport } from '../../src/commands/inspect/report.ts';
import { reportHtml } from '../../src/commands/inspect/report-html.ts';
import { noBrowser, startBrowser } from '../support/page/browser.ts';
import { sampleReports } from '../support/page/sample-reports.ts';

/**
 * `npm run page`: makes the pictures of the page of `inspect` in docs/reference. They end before the section with the
 * details of the certificates.
 */

const folder = join(import.meta.dirname, '..', '..', 'docs', 'reference');
const pictures = [
  { report: 'healthy', colorScheme: 'light' },
  { report: 'in-rotation', colorScheme: 'dark' },
] as const;

if (noBrowser !== false) throw new Error(noBrowser);
const browser = await startBrowser();
try {
  for (const { report, colorScheme } of pictures) {
    const page = await browser.newPage({ colorScheme, viewport: { width: 920, height: 800 } });
    await page.setContent(reportHtml(sampleReports[report] as InspectionReport));
    const details = await page.locator('section[aria-labelledby=details]').boundingBox();
    const clip = { x: 0, y: 0, width: 920, height: details?.y ?? 0 };
    await page.screenshot({ path: join(folder, `inspect-${colorScheme}.png`), fullPage: true, clip });
  }
} finally {
  await browser.close();
}
