import { type Html, html } from '../../../lib/html.ts';
import { commonName, date } from '../../formats.ts';
import type { CertificateFacts } from '../certificate-facts.ts';
import type { InspectionReport } from '../report.ts';
import { day, section, words } from './parts.ts';
import { type TimeAxis, timeAxis } from './time-axis.ts';

/** A certificate of the report, once for all places where it is. */
interface Shown {
  readonly role: string;
  readonly certificate: CertificateFacts;
  /** When the daemon replaces the certificate. */
  readonly renewal?: Date | undefined;
  /** Whether the authority in the row above has issued the certificate. */
  readonly isChild?: boolean;
}

/** Returns the chain in the Secret, then each certificate that only the API server or the endpoint has. */
function shownCertificates({ next, registration, endpoint, ...report }: InspectionReport): readonly Shown[] {
  const { certificateAuthority: ca, nextCertificateAuthority: nextCa, serving } = report;
  const isChild = serving !== undefined && serving.issuer === ca?.subject;
  const all = [
    { role: 'Certificate authority', certificate: ca, renewal: next.caRotation },
    { role: 'Serving certificate', certificate: serving, renewal: next.renewal, isChild },
    { role: 'Next authority', certificate: nextCa },
    ...registration.trusts.map((certificate) => ({ role: trustedRole(certificate.isOurs), certificate })),
    { role: 'Presented certificate', certificate: endpoint.certificate },
  ];
  const known = all.flatMap(({ certificate, ...row }) => (certificate === undefined ? [] : [{ ...row, certificate }]));
  const fingerprints = known.map(({ certificate }) => certificate.sha256);
  return known.filter(({ certificate }, index) => fingerprints.indexOf(certificate.sha256) === index);
}

/** Returns what a trusted authority is that signs nothing in the Secret. */
const trustedRole = (isInSecret: boolean | undefined): string => {
  if (isInSecret === undefined) return 'Trusted authority';
  return isInSecret ? 'Former authority' : 'Unknown authority';
};

/** Returns a function that names a certificate as the bars do. */
export function roles(report: InspectionReport): (certificate: CertificateFacts) => string {
  const names = new Map(shownCertificates(report).map(({ role, certificate }) => [certificate.sha256, role]));
  return ({ sha256 }) => names.get(sha256) ?? 'Certificate';
}

export function certificatesSection(report: InspectionReport): Html {
  const { at } = report;
  const shown = shownCertificates(report);
  if (shown.length === 0) {
    return section(
      { id: 'certificates', title: 'Certificates' },
      html`<p class="empty">No certificate could be read.</p>`,
    );
  }
  const axis = timeAxis(shown.map(({ certificate }) => certificate.notAfter.getTime() - at.getTime()));
  const legend = html`<ul class="legend">
<li><svg viewBox="0 0 28 8" aria-hidden="true"><rect class="valid" width="28" height="8" rx="4"/></svg>valid</li>
<li><svg viewBox="0 0 28 8" aria-hidden="true"><rect class="due" width="28" height="8" rx="4"/></svg>valid, renewal due</li>
</ul>`;
  return section(
    { id: 'certificates', title: 'Certificates', aside: legend },
    html`<ul class="bars">
${shown.map((row) => bar(row, axis, at))}
<li class="axis" aria-hidden="true"><span class="gap"></span>${axisLabels(axis)}<span class="gap"></span></li>
</ul>`,
  );
}

function bar({ role, certificate, renewal, isChild = false }: Shown, axis: TimeAxis, now: Date): Html {
  const { subject, notAfter, leftMs } = certificate;
  const end = axis.position(leftMs);
  const due = renewal === undefined ? end : Math.min(end, axis.position(renewal.getTime() - now.getTime()));
  const isOver = leftMs === 0;
  const left = isOver
    ? html`<span class="bad strong">expired</span>`
    : html`<span class="strong">${words(leftMs)}</span>`;
  return html`<li>
<div${isChild && html` class="child"`}><h3>${role}</h3><p class="small quiet">${commonName(subject)}</p></div>
<svg width="100%" height="60" aria-hidden="true">
${axis.ticks.map(({ position }) => html`<line class="tick" x1="${position}%" x2="${position}%" y2="60"/>`)}
<rect class="track" y="25" width="100%" height="10" rx="5"/>
${end > due && html`<rect class="due" y="25" width="${end}%" height="10" rx="5"/>`}
${due > 0 && html`<rect class="valid" y="25" width="${due}%" height="10" rx="5"/>`}
${isOver && html`<circle class="over" cx="5" cy="30" r="5"/>`}
</svg>
<div class="left"><p>${left}</p><p class="small quiet">${day(notAfter)}</p></div>
</li>
`;
}

const axisLabels = ({ ticks }: TimeAxis): Html => html`<svg width="100%" height="20">
<text class="first" x="0" y="14">now</text>
${ticks.map(({ name, position }, index) => html`<text class="${index % 2 === 0 && ticks.length > 4 ? 'even' : 'odd'}" x="${position}%" y="14">${name}</text>`)}
</svg>`;

/** Returns a table of all facts about each certificate. */
export function detailsSection(report: InspectionReport): Html {
  const shown = shownCertificates(report);
  if (shown.length === 0) return html``;
  const tables = shown.map(({ role, certificate }, index) => {
    const { subject, issuer, dnsNames, ipAddresses, serial, sha256, notBefore, notAfter } = certificate;
    const names = [...dnsNames, ...ipAddresses].join(', ');
    const row = (name: string, value: string | Html) => html`<tr><th scope="row">${name}</th><td>${value}</td></tr>`;
    return html`<h3 id="certificate-${index + 1}">${role}</h3>
<table aria-labelledby="certificate-${index + 1}"><tbody>
${row('Subject', subject)}
${row('Issuer', issuer)}
${names !== '' && row('Names', names)}
${row('Valid', `${date(notBefore)} to ${date(notAfter)}`)}
${row('Serial', html`<span class="mono">${serial}</span>`)}
${row('SHA-256', html`<span class="mono">${sha256}</span>`)}
</tbody></table>
`;
  });
  return section({ id: 'details', title: 'Certificates in detail' }, html`<div class="details">${tables}</div>`);
}
