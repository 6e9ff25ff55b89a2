import { type Html, html } from '../../../lib/html.ts';
import type { Finding } from '../findings.ts';
import type { InspectionReport } from '../report.ts';
import { command, section } from './parts.ts';

/** Returns the problems in the order of the report. Problems that follow each other and have one command share it. */
export function findingsSection({ problems }: InspectionReport): Html {
  if (problems.length === 0) return html``;
  const groups = groupsByCommand(problems);
  return section(
    { id: 'problems', title: 'What to do' },
    html`<ol class="findings">
${groups.map(
  (group) => html`<li>
${group.map(({ reason, where, message }) => html`<div class="finding"><p class="quiet">${where}</p><div><p class="message">${message}</p><code class="quiet">${reason}</code></div></div>`)}
${command(group[0]?.command ?? '')}
</li>`,
)}
</ol>`,
  );
}

function groupsByCommand(problems: readonly Finding[]): readonly (readonly Finding[])[] {
  const groups: Finding[][] = [];
  for (const problem of problems) {
    const last = groups.at(-1);
    if (last?.[0]?.command === problem.command) last.push(problem);
    else groups.push([problem]);
  }
  return groups;
}
