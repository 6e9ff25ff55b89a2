import { oneLine } from '../../lib/text.ts';
import type { CertificateFacts } from './certificate-facts.ts';
import { type InspectionReport, verdicts } from './report.ts';
import { bar, columns, commandColumns, date, relativeTime, shortFingerprint, wrapped } from './terminal.ts';

/** Returns the report as text for a terminal. */
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

/** Returns the lines of a section: the title, then a row for each name and text. A long text takes several lines. */
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
      `type ${type}, ${managedBy === undefined ? 'no managed-by label' : `managed by ${managedBy}`}, ${isPaused ? 'paused' : 'not paused'}, ` +
      (rotateAsked === undefined ? 'no rotation request' : `rotation request: ${rotateAsked}`),
    absent: 'does not exist',
    refused: 'the current user has no permission to read it',
    failed: 'the read has failed',
    unused: 'not used: the certificates are in the directory --webhook-cert-path',
  };
  return section(`SECRET ${reference}`, { state: contents[state] });
}

function registrationSection({ registration }: InspectionReport): string[] {
  const { name, state, calls, failurePolicy, trusts, unreadable, selectors } = registration;
  const title = `REGISTRATION ${name}`;
  if (state === 'refused') return section(title, { state: 'the current user has no permission to read it' });
  if (state === 'failed') return section(title, { state: 'the read has failed' });
  if (state === 'absent') return section(title, { state: 'does not exist' });
  const shown = trusts.map(({ subject, sha256, notAfter, isOurs, isDuplicate }) => {
    const whose = isOurs === undefined ? 'Secret not read' : isOurs ? 'in the Secret' : 'not in the Secret';
    return `${whose}${isDuplicate ? ', duplicate' : ''}: ${shortFingerprint(sha256)} until ${date(notAfter)} (${commonName(subject)})`;
  });
  const lines = unreadable > 0 ? [...shown, `${unreadable} PEM blocks that cannot be parsed`] : shown;
  return [
    ...section(title, { calls: calls ?? 'no endpoint', 'on failure': failurePolicy ?? 'Fail' }),
    ...selectors.flatMap((line, index) => columns(index === 0 ? 'only for' : '', line)),
    ...(lines.length === 0 ? ['no CA'] : lines).flatMap((line, index) => columns(index === 0 ? 'trusts' : '', line)),
  ];
}

/** Returns the common name of a subject, or the whole subject if it has none. */
const commonName = (subject: string): string => /(?:^|, )(CN=[^,]*)/.exec(subject)?.[1] ?? subject;

function endpointSection({ endpoint }: InspectionReport): string[] {
  const { outcome, address, serverName, why, how, certificate, isVerified, isOfSecret } = endpoint;
  if (outcome === 'not-dialled') {
    return [...section('ENDPOINT', { called: `no: ${why}` }), ...how.map(commandColumns)];
  }
  const called = `${address}, server name ${serverName}`;
  if (outcome === 'failed') return section('ENDPOINT', { called, answer: `none: ${why}` });
  const which = isOfSecret === undefined ? '' : isOfSecret ? ', same as in the Secret' : ', not the one in the Secret';
  return section('ENDPOINT', {
    called,
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
    // Print a command once if the next finding has the same command.
    ...(command === problems[index + 1]?.command ? [] : [`     ${oneLine(command)}`]),
  ]);
  return [`verdict: ${problems.length === 1 ? '1 problem' : `${problems.length} problems`}`, ...lines];
}
