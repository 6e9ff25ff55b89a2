import { oneLine } from '../../lib/text.ts';
import { relativeTime } from '../formats.ts';
import { type Cell, columnsOf, row, type Terminal, table, wrapped } from '../terminal.ts';
import { type AppliesReport, appliesVerdicts, type ReportedApply } from './report.ts';

/** The width of the first column below the table, as of `row`. */
const NAMES = 13;
const HEAD = ['NAMESPACE', 'CONFIGURATION', 'JOB', 'ACTION', 'STATE', 'EXIT CODE', 'CREATED'];

/** Returns the report as text: a table, and for each failed Job its ending and its commands. */
export function appliesText(report: AppliesReport, terminal: Terminal): string {
  const { applies, notes, at } = report;
  const rows = applies.map((apply) => tableRow(apply, at));
  const blocks = applies.flatMap((apply) => ['', ...detailLines(apply, terminal)]);
  const lines = [
    ...(rows.length > 0 ? [...table(HEAD, rows, terminal), ...blocks, ''] : []),
    ...notes.flatMap((note) => wrapped(note, { first: 'note: ', rest: '      ' }, terminal)),
    ...verdictLines(report, terminal),
  ];
  return `${lines.join('\n')}\n`;
}

function verdictLines({ verdict, namespace }: AppliesReport, terminal: Terminal): string[] {
  const style = ({ none: 'good', failed: 'bad', incomplete: 'caution' } as const)[verdict];
  // Without the namespace, a user who forgot -n or -A reads that nothing has failed in the whole cluster.
  const where = verdict === 'none' && namespace !== null ? ` in namespace ${namespace} (all: -A)` : '';
  const first = `verdict: ${terminal.paint(style, verdict)}: `;
  return wrapped(
    `${appliesVerdicts[verdict].meaning}${where}`,
    { first, rest: ' '.repeat(columnsOf(first)) },
    terminal,
  );
}

function tableRow(apply: ReportedApply, now: Date): readonly Cell[] {
  const { namespace, configuration, job, action, state, ending, createdAt } = apply;
  const exitCode = ending?.exitCode ?? ending?.kind.replaceAll('-', ' ');
  return [
    namespace,
    configuration ?? '-',
    job.namespace === namespace ? job.name : `${job.namespace}/${job.name}`,
    action ?? '-',
    { text: stateText(apply), style: state === 'failed' ? 'bad' : 'caution' },
    `${exitCode ?? '-'}`,
    relativeTime(createdAt, now),
  ];
}

const stateText = ({ state, capped }: ReportedApply): string => (capped ? state : `${state}, not capped`);

function detailLines(apply: ReportedApply, terminal: Terminal): string[] {
  const { namespace, configuration, job, ending, logCommand, retryCommand } = apply;
  const title = configuration === null ? `Job ${job.namespace}/${job.name}` : `${namespace}/${configuration}`;
  return [
    ...wrapped(`${title}: ${stateText(apply)}`, { first: '', rest: '' }, terminal),
    ...(ending ? row('ending', ending.text, terminal) : []),
    ...commandLine('log', logCommand),
    ...commandLine('retry', retryCommand),
  ];
}

/** Returns a command on one line, so that a user can copy it. */
const commandLine = (name: string, command: string | null): string[] =>
  command === null ? [] : [`  ${name.padEnd(NAMES)}${oneLine(command)}`];
