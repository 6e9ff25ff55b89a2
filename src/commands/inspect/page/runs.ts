import { type Html, html, type Insert } from '../../../lib/html.ts';
import type { ReportedApply } from '../../applies/report.ts';
import type { InspectionReport } from '../report.ts';
import { command, relative, section } from './parts.ts';

/** Number of runs on the page. A page with thousands would not help. */
const MOST = 100;
const HEAD = ['Configuration', 'Job', 'Action', 'State', 'Ending', 'Created'];

/** Returns the number of runs that have failed; `undefined` if the Jobs could not be read. */
export const failedRuns = ({ applies }: InspectionReport): number | undefined =>
  applies?.state === 'present' ? applies.runs.filter(({ state }) => state === 'failed').length : undefined;

/** Returns the table of the failed and running Jobs. */
export function runsSection({ applies, at }: InspectionReport): Html {
  if (applies === undefined) return html``;
  return section({ id: 'runs', title: 'Terraform runs' }, html`${body(applies, at)}`);
}

function body({ state, problem, runs, notes }: NonNullable<InspectionReport['applies']>, now: Date): Html {
  if (state === 'refused') return paragraph('The current user has no permission to list Jobs.');
  if (state === 'failed') return paragraph(`The read has failed: ${problem}`);
  const more = runs.length - MOST;
  return html`${runs.length === 0 ? paragraph('No failed and no running Job was found.') : table(runs.slice(0, MOST), now)}
${more > 0 && paragraph(`${more} more: terraform-daemon applies --all-namespaces`)}
${notes.map((note) => paragraph(`Note: ${note}.`))}`;
}

const paragraph = (text: string): Html => html`<p class="empty">${text}</p>`;

const table = (runs: readonly ReportedApply[], now: Date): Html => html`<table class="runs" aria-labelledby="runs">
<thead><tr>${HEAD.map((name) => html`<th scope="col">${name}</th>`)}</tr></thead>
${runs.map((run) => rows(run, now))}
</table>`;

/** Returns the rows of a run: its facts, then how it ended and its commands. */
function rows(run: ReportedApply, now: Date): Html {
  const { namespace, configuration, job, action, state, capped, createdAt, ending } = run;
  const { logCommand, retryCommand } = run;
  const jobText = job.namespace === namespace ? job.name : `${job.namespace}/${job.name}`;
  return html`<tbody>
<tr><th scope="row">${configuration === null ? '–' : `${namespace}/${configuration}`}</th>
<td>${jobText}</td>
<td>${action ?? '–'}</td>
<td class="strong${state === 'failed' && ' bad'}">${state}${!capped && ', not capped'}</td>
<td>${endingOf(ending)}</td>
<td>${relative(createdAt, now)}</td></tr>
<tr><td colspan="${HEAD.length}">${ending !== null && html`<p>${ending.text}</p>`}
<dl class="commands">${commandOf('Log', logCommand)}${commandOf('Run again', retryCommand)}</dl></td></tr>
</tbody>
`;
}

const endingOf = (ending: ReportedApply['ending']): string => {
  if (ending === null) return '–';
  return ending.exitCode === null ? ending.kind.replaceAll('-', ' ') : `exit code ${ending.exitCode}`;
};

const commandOf = (name: string, text: string | null): Insert =>
  text !== null && html`<div><dt>${name}</dt><dd>${command(text)}</dd></div>`;
