import { oneLine } from '../../lib/text.ts';
import type { CertificateFacts } from './certificate-facts.ts';
import { type InspectionReport, verdicts } from './report.ts';
import { bar, columns, commandColumns, date, relativeTime, shortFingerprint, wrapped } from './terminal.ts';

/** The report as one screen of text. */
export function reportText(report: InspectionReport): string {
  const { at, certificateAuthority, serving } = report;
  const sections = [
    [`terraform-daemon, as of ${date(at)}`],
    certificateSection('CERTIFICATE AUTHORITY', certificateAuthority),
    certificateSection('SERVING CERTIFICATE', serving),
    secretSection(report),
    registrationSection(report),
    endpointSection(report),
    rotationSection(report),
    verdictSection(report),
  ];
  const texts = sections.filter((lines) => lines.length > 0).map((lines) => lines.join('\n'));
  return `${texts.join('\n\n')}\n`;
}

/** A title, then rows of a name and a text. A text may take several lines. */
const section = (title: string, rows: Readonly<Record<string, string | undefined>>): string[] => [
  title,
  ...Object.entries(rows).flatMap(([name, text]) => (text === undefined ? [] : columns(name, text))),
];

function certificateSection(title: string, certificate: CertificateFacts | undefined): string[] {
  if (certificate === undefined) return [];
  const { subject, dnsNames, ipAddresses, serial, sha256, notBefore, notAfter, lifetimeMs, leftMs } = certificate;
  const names = [...dnsNames, ...ipAddresses];
  return section(title, {
    subject,
    names: names.length === 0 ? undefined : names.join(', '),
    serial: `${serial}   SHA-256 ${shortFingerprint(sha256)}`,
    valid: `${date(notBefore)} to ${date(notAfter)}`,
    left: bar(leftMs, lifetimeMs),
  });
}

function secretSection({ secret }: InspectionReport): string[] {
  const { reference, state, type, managedBy, isPaused, rotateAsked } = secret;
  const contents = {
    present:
      `type ${type}, managed by ${managedBy ?? 'nobody'}, ${isPaused ? 'paused' : 'not paused'}, ` +
      (rotateAsked === undefined ? 'no rotation asked' : `rotation asked: ${rotateAsked}`),
    absent: 'not there',
    refused: 'may not be read by this user',
    unused: 'not used: the certificates are those of --webhook-cert-path',
  };
  return section(`SECRET ${reference}`, { holds: contents[state] });
}

function registrationSection({ registration }: InspectionReport): string[] {
  const { name, state, calls, failurePolicy, trusts, unreadable, selectors } = registration;
  const title = `REGISTRATION ${name}`;
  if (state === 'refused') return section(title, { is: 'may not be read by this user' });
  if (state === 'absent') return section(title, { is: 'not there' });
  const shown = trusts.map(({ subject, sha256, notAfter, isOurs, isDuplicate }) => {
    const whose = isOurs === undefined ? 'perhaps ours' : isOurs ? 'ours' : 'unknown';
    return `${whose}${isDuplicate ? ', again' : ''}: ${shortFingerprint(sha256)} until ${date(notAfter)} (${commonName(subject)})`;
  });
  const lines = unreadable > 0 ? [...shown, `${unreadable} that cannot be read`] : shown;
  return [
    ...section(title, { calls: `${calls}`, 'on failure': failurePolicy ?? 'Fail' }),
    ...selectors.flatMap((line, index) => columns(index === 0 ? 'only where' : '', line)),
    ...(lines.length === 0 ? ['nobody'] : lines).flatMap((line, index) => columns(index === 0 ? 'trusts' : '', line)),
  ];
}

/** The whole subject if it has no common name. */
const commonName = (subject: string): string => /(?:^|, )(CN=[^,]*)/.exec(subject)?.[1] ?? subject;

function endpointSection({ endpoint }: InspectionReport): string[] {
  const { outcome, address, serverName, why, how, certificate, isVerified, isOfSecret } = endpoint;
  if (outcome === 'not-dialled') {
    return [...section('ENDPOINT', { dialled: `no: ${why}` }), ...how.map(commandColumns)];
  }
  const dialled = `${address}, asked for ${serverName}`;
  if (outcome === 'failed') return section('ENDPOINT', { dialled, answer: `none: ${why}` });
  const which = isOfSecret === undefined ? '' : isOfSecret ? ', that of the Secret' : ', not that of the Secret';
  return section('ENDPOINT', {
    dialled,
    presents: `${shortFingerprint(certificate?.sha256 ?? '')} until ${date(certificate?.notAfter)}${which}`,
    verified: isVerified ? 'yes, with the live CA bundle' : `no: ${why}`,
  });
}

function rotationSection({ at, rotation, next, nextCertificateAuthority }: InspectionReport): string[] {
  if (rotation === undefined) return [];
  const { phase, since, waitsFor, until } = rotation;
  return section('ROTATION', {
    phase: since === undefined ? phase : `${phase} since ${date(since)}`,
    'waits for': waitsFor && `${waitsFor}${until === undefined ? '' : `, until ${date(until)}`}`,
    'next CA': nextCertificateAuthority && shortFingerprint(nextCertificateAuthority.sha256),
    renewal: next.renewal && `${date(next.renewal)}, ${relativeTime(next.renewal, at)} (serving certificate)`,
    rotation:
      next.caRotation && `${date(next.caRotation)}, ${relativeTime(next.caRotation, at)} (certificate authority)`,
  });
}

function verdictSection({ verdict, problems, endpoint }: InspectionReport): string[] {
  if (verdict === 'healthy') return ['verdict: healthy'];
  if (verdict === 'incomplete') {
    return [`verdict: incomplete: ${verdicts.incomplete.meaning}`, ...wrapped(endpoint.why ?? '', '  ', '  ')];
  }
  const lines = problems.flatMap(({ reason, where, message, command }, index) => [
    ...wrapped(`${index + 1}. ${reason} (${where}): ${message}`, '  ', '     '),
    // A command that repairs several findings in a row follows the last of them.
    ...(command === problems[index + 1]?.command ? [] : [`     ${oneLine(command)}`]),
  ]);
  return [`verdict: ${problems.length === 1 ? '1 problem' : `${problems.length} problems`}`, ...lines];
}
