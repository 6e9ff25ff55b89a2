import { type Html, html, type Insert } from '../../../lib/html.ts';
import { shortFingerprint } from '../../formats.ts';
import type { CertificateFacts } from '../certificate-facts.ts';
import type { InspectionReport } from '../report.ts';
import { roles } from './certificates.ts';
import { command, day, pairs, section, sign, type Tone } from './parts.ts';

/** Returns what the API server trusts, what the endpoint presents and what the Secret has, side by side. */
export function trustSection(report: InspectionReport): Html {
  return section(
    { id: 'trust', title: 'Trust' },
    html`<ul class="checks">${checks(report)}</ul>
<div class="sides">
${side('The API server trusts', trusted(report))}
${side('The endpoint presents', presented(report))}
${side('The Secret has', stored(report))}
</div>
${notes(report)}`,
  );
}

const side = (title: string, body: Html): Html => html`<div><h3>${title}</h3>${body}</div>`;
const paragraph = (text: string): Html => html`<p class="small quiet">${text}</p>`;
const check = (tone: Tone, text: Insert): Html => html`<li>${sign(tone)}<span>${text}</span></li>`;

function checks({ endpoint: { outcome, address, isVerified, isOfSecret, why } }: InspectionReport): Html[] {
  if (outcome === 'not-dialled') return [check('open', `The endpoint was not called: ${why}`)];
  if (outcome === 'failed') return [check('bad', `The endpoint ${address} did not answer: ${why}`)];
  return [
    isVerified
      ? check('good', 'The CA bundle of the API server verifies the certificate that the endpoint presents.')
      : check('bad', `The API server would refuse the certificate that the endpoint presents: ${why}`),
    ...(isOfSecret === undefined
      ? []
      : [
          isOfSecret
            ? check('good', 'The endpoint presents the certificate in the Secret.')
            : check('open', 'The endpoint presents another certificate than the one in the Secret.'),
        ]),
  ];
}

const unread = (state: 'refused' | 'failed'): Html =>
  paragraph(state === 'refused' ? 'The current user has no permission to read it.' : 'The read has failed.');

function trusted(report: InspectionReport): Html {
  const { name, state, trusts, unreadable } = report.registration;
  if (state === 'absent') return paragraph(`The registration ${name} does not exist.`);
  if (state === 'refused' || state === 'failed') return unread(state);
  const role = roles(report);
  const items = trusts.map(({ isOurs, isDuplicate, ...certificate }) =>
    listed(certificate, role(certificate), [isOurs === false && 'not in the Secret', isDuplicate && 'duplicate']),
  );
  return html`${items.length === 0 ? html`<p class="small bad">No certificate authority.</p>` : html`<ul>${items}</ul>`}
${unreadable > 0 && html`<p class="small bad">${unreadable} PEM blocks that cannot be parsed</p>`}`;
}

function presented(report: InspectionReport): Html {
  const { outcome, certificate } = report.endpoint;
  if (outcome === 'not-dialled') return paragraph('Unknown: the endpoint was not called.');
  if (certificate === undefined) return paragraph('Nothing: the endpoint did not answer.');
  return html`<ul>${listed(certificate, roles(report)(certificate))}</ul>`;
}

function stored(report: InspectionReport): Html {
  const { state, reference } = report.secret;
  if (state === 'unused') return paragraph('Not used: the certificates are in the directory of --webhook-cert-path.');
  if (state === 'absent') return paragraph(`The Secret ${reference} does not exist.`);
  if (state === 'refused' || state === 'failed') return unread(state);
  const { certificateAuthority, serving, nextCertificateAuthority } = report;
  const all = [certificateAuthority, serving, nextCertificateAuthority].filter((facts) => facts !== undefined);
  if (all.length === 0) return paragraph('No certificate that can be parsed.');
  const role = roles(report);
  return html`<ul>${all.map((facts) => listed(facts, role(facts)))}</ul>`;
}

/** Returns a certificate in a list: what it is, its fingerprint and its end. */
function listed({ sha256, notAfter }: CertificateFacts, role: string, problems: readonly Insert[] = []): Html {
  return html`<li>
<p class="strong">${role}</p>
<p class="mono">${shortFingerprint(sha256)}</p>
<p class="small quiet">until ${day(notAfter)}</p>
${problems.map((problem) => problem && html`<p class="small bad">${problem}</p>`)}
</li>`;
}

const failurePolicies: Readonly<Record<string, string>> = {
  Ignore: 'Ignore: the Job is stored unchanged',
  Fail: 'Fail: the Job is refused',
};

function notes({ registration, endpoint, secret }: InspectionReport): Html {
  const { state, calls, failurePolicy = 'Fail', selectors, name } = registration;
  const ofRegistration = {
    'The API server calls': calls ?? 'no endpoint',
    'If the call fails': failurePolicies[failurePolicy] ?? failurePolicy,
    'Only for': selectors.length > 0 && selectors.map((line) => html`<p>${line}</p>`),
  };
  return html`${pairs({
    ...(state === 'present' && ofRegistration),
    'Endpoint called at': endpoint.address,
    Registration: name,
    Secret: secret.reference,
  })}
${endpoint.how.length > 0 && html`<div class="note"><p>To call the endpoint from here:</p>${endpoint.how.map(command)}</div>`}`;
}
