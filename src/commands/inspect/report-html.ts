import { createHash } from 'node:crypto';
import { Html, html } from '../../lib/html.ts';
import { certificatesSection, detailsSection } from './page/certificates.ts';
import { findingsSection } from './page/findings.ts';
import { minute } from './page/parts.ts';
import { rotationSection } from './page/rotation.ts';
import { runsSection } from './page/runs.ts';
import { statusHeader, statusOf } from './page/status.ts';
import { style } from './page/style.ts';
import { trustSection } from './page/trust.ts';
import type { InspectionReport } from './report.ts';

/** Lets the page use its own style sheet and nothing else: no script, no image, no font, no connection, no form. */
function securityPolicy(): string {
  const hash = createHash('sha256').update(style).digest('base64');
  return `default-src 'none'; style-src 'sha256-${hash}'; base-uri 'none'; form-action 'none'`;
}

/** Returns the report as one page that loads nothing and runs no script. */
export function reportHtml(report: InspectionReport): string {
  const page = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${securityPolicy()}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${statusOf(report).title} &middot; terraform-daemon</title>
<style>${new Html(style)}</style>
</head>
<body>
<main>
<div class="top"><p><b>terraform-daemon</b> inspect</p><p>${minute(report.at)}</p></div>
${statusHeader(report)}
${findingsSection(report)}
${runsSection(report)}
${certificatesSection(report)}
${trustSection(report)}
${rotationSection(report)}
${detailsSection(report)}
<footer><p>Made by terraform-daemon inspect -o html. The page has no private key, runs no script and loads nothing.</p></footer>
</main>
</body>
</html>
`;
  return page.toString();
}
