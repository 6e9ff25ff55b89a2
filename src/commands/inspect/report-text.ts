import { oneLine } from '../../lib/text.ts';
import { bar, commonName, date, relativeTime, shortFingerprint } from '../formats.ts';
import { type Cell, commandRow, row, type Terminal, wrapped } from '../terminal.ts';
import type { CertificateFacts } from './certificate-facts.ts';
import { type InspectionReport, verdicts } from './report.ts';

/** Indentation of the lines of a problem. */
const MARGIN = ' '.repeat(5);

/** A part of the report: a title, a row for each name and text, and commands to copy. */
interface Section {
  readonly title: string;
  /** A list takes a row for each text, with the name before the first one. */
  readonly rows: Readonly<Record<string, Cell | readonly Cell[] | undefined>>;
  readonly commands?: readonly string[];
}

/** Returns the report as text for a terminal. */
export function reportText(report: InspectionReport, terminal: Terminal): string {
  const { at, certificateAuthority, serving } = report;
  const sections = [
    certificateSection('CERTIFICATE AUTHORITY', certificateAuthority),
    certificateSection('SERVING CERTIFICATE', serving),
    secretSection(report),
    registrationSection(report),
    endpointSection(report),
    rotationSection(report),
  ];
  const parts = [
    [`terraform-daemon, as of ${date(at)}`],
    ...sections.flatMap((section) => (section ? [sectionLines(section, terminal)] : [])),
    verdictLines(report, terminal),
  ];
  return `${parts.map((lines) => lines.join('\n')).join('\n\n')}\n`;
}

function sectionLines({ title, rows, commands = [] }: Section, terminal: Terminal): string[] {
  const lines = Object.entries(rows).flatMap(([name, cells = []]) =>
    [cells].flat().flatMap((cell, index) => row(index === 0 ? name : '', cell, terminal)),
  );
  return [
    terminal.paint('title', oneLine(title)),
    ...lines,
    ...commands.map((command) => terminal.paint('hint', commandRow(command))),
  ];
}

const good = (text: string): Cell => ({ text, style: 'good' });
const caution = (text: string): Cell => ({ text, style: 'caution' });
const bad = (text: string): Cell => ({ text, style: 'bad' });

function certificateSection(title: string, certificate: CertificateFacts | undefined): Section | undefined {
  if (certificate === undefined) return undefined;
  const { subject, dnsNames, ipAddresses, serial, sha256, notBefore, notAfter, lifetimeMs, leftMs } = certificate;
  const names = [...dnsNames, ...ipAddresses];
  const rows = {
    subject,
    names: names.length === 0 ? undefined : names.join(', '),
    serial: `${serial}   SHA-256 ${shortFingerprint(sha256)}`,
    valid: `${date(notBefore)} to ${date(notAfter)}`,
    left: leftMs > 0 ? good(bar(leftMs, lifetimeMs)) : bad(bar(leftMs, lifetimeMs)),
  };
  return { title, rows };
}

function secretSection({ secret }: InspectionReport): Section {
  const { reference, state, type, managedBy, isPaused, rotateAsked } = secret;
  const contents =
    `type ${type}, ${managedBy === undefined ? 'no managed-by label' : `managed by ${managedBy}`}, ${isPaused ? 'paused' : 'not paused'}, ` +
    (rotateAsked === undefined ? 'no rotation request' : `rotation request: ${rotateAsked}`);
  const present = isPaused ? caution(contents) : contents;
  return { title: `SECRET ${reference}`, rows: { state: state === 'present' ? present : unreadStates[state] } };
}

const unreadStates = {
  absent: bad('does not exist'),
  refused: caution('the current user has no permission to read it'),
  failed: bad('the read has failed'),
  unused: 'not used: the certificates are in the directory --webhook-cert-path',
};

function registrationSection({ registration }: InspectionReport): Section {
  const { name, state, calls, failurePolicy, trusts, unreadable, selectors } = registration;
  const title = `REGISTRATION ${name}`;
  if (state !== 'present') return { title, rows: { state: unreadStates[state] } };
  const shown = trusts.map(({ subject, sha256, notAfter, isOurs, isDuplicate }) => {
    const whose = isOurs === undefined ? 'Secret not read' : isOurs ? 'in the Secret' : 'not in the Secret';
    return `${whose}${isDuplicate ? ', duplicate' : ''}: ${shortFingerprint(sha256)} until ${date(notAfter)} (${commonName(subject)})`;
  });
  const trusted = unreadable > 0 ? [...shown, bad(`${unreadable} PEM blocks that cannot be parsed`)] : shown;
  const rows = {
    calls: calls ?? bad('no endpoint'),
    'on failure': failurePolicy ?? 'Fail',
    'only for': selectors,
    trusts: trusted.length === 0 ? bad('no CA') : trusted,
  };
  return { title, rows };
}

function endpointSection({ endpoint }: InspectionReport): Section {
  const { outcome, address, serverName, why, how, certificate, isVerified, isOfSecret } = endpoint;
  const title = 'ENDPOINT';
  if (outcome === 'not-dialled') return { title, rows: { called: caution(`no: ${why}`) }, commands: how };
  const called = `${address}, server name ${serverName}`;
  if (outcome === 'failed') return { title, rows: { called, answer: bad(`none: ${why}`) } };
  const which = isOfSecret === undefined ? '' : isOfSecret ? ', same as in the Secret' : ', not the one in the Secret';
  const rows = {
    called,
    presents: `${shortFingerprint(certificate?.sha256 ?? '')} until ${date(certificate?.notAfter)}${which}`,
    verified: isVerified ? good('yes, with the live CA bundle') : bad(`no: ${why}`),
  };
  return { title, rows };
}

function rotationSection({ at, rotation, next, nextCertificateAuthority }: InspectionReport): Section | undefined {
  if (rotation === undefined) return undefined;
  const { phase, since, waitsFor, until } = rotation;
  const rows = {
    phase: since === undefined ? phase : `${phase} since ${date(since)}`,
    'waits for': waitsFor && `${waitsFor}${until === undefined ? '' : `, until ${date(until)}`}`,
    'next CA': nextCertificateAuthority && shortFingerprint(nextCertificateAuthority.sha256),
    renewal: next.renewal && `${date(next.renewal)}, ${relativeTime(next.renewal, at)} (serving certificate)`,
    rotation:
      next.caRotation && `${date(next.caRotation)}, ${relativeTime(next.caRotation, at)} (certificate authority)`,
  };
  return { title: 'ROTATION', rows };
}

const verdictStyles = { healthy: 'good', unhealthy: 'bad', incomplete: 'caution' } as const;

function verdictLines({ verdict, problems, endpoint }: InspectionReport, terminal: Terminal): string[] {
  const { paint } = terminal;
  const count = problems.length === 1 ? '1 problem' : `${problems.length} problems`;
  const title = `verdict: ${paint(verdictStyles[verdict], verdict === 'unhealthy' ? count : verdict)}`;
  if (verdict === 'healthy') return [title];
  if (verdict === 'incomplete') {
    const why = wrapped(endpoint.why ?? '', { first: '  ', rest: '  ' }, terminal);
    return [`${title}: ${verdicts.incomplete.meaning}`, ...why];
  }
  const lines = problems.flatMap(({ reason, where, message, command }, index) => [
    ...wrapped(`(${where}): ${message}`, { first: `  ${index + 1}. ${paint('bad', reason)} `, rest: MARGIN }, terminal),
    // Print a command once if the next finding has the same command.
    ...(command === problems[index + 1]?.command ? [] : [paint('hint', MARGIN + oneLine(command))]),
  ]);
  return [title, ...lines];
}
