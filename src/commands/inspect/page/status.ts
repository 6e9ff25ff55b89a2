import { type Html, html, type Insert } from '../../../lib/html.ts';
import type { InspectionReport } from '../report.ts';
import { relative, sign, type Tone, words } from './parts.ts';
import { failedRuns } from './runs.ts';

interface Status {
  readonly tone: Tone;
  readonly title: string;
  readonly lead: string;
}

const WORKS = 'The endpoint answers, and the API server trusts its certificate.';

/** Returns the state of the install in sentences that need no knowledge of certificates. */
export function statusOf(report: InspectionReport): Status {
  const { verdict, problems, endpoint } = report;
  if (verdict === 'healthy') return healthy(report);
  if (verdict === 'incomplete') {
    return { tone: 'open', title: 'No problem was found', lead: `The endpoint was not called: ${endpoint.why}.` };
  }
  const isOne = problems.length === 1;
  const list = isOne ? 'The command below repairs it or helps to find the cause.' : 'The list begins with the cause.';
  return {
    tone: 'bad',
    title: isOne ? '1 problem needs attention' : `${problems.length} problems need attention`,
    lead: endpoint.isVerified ? `${WORKS} ${list}` : list,
  };
}

function healthy(report: InspectionReport): Status {
  const { rotation } = report;
  const isRotating = rotation !== undefined && rotation.phase !== 'stable';
  const state = isRotating ? `${WORKS} The certificate authority is being rotated.` : WORKS;
  const failed = failedRuns(report) ?? 0;
  if (failed === 0) return { tone: 'good', title: 'The webhook is healthy', lead: `${state} No action needed.` };
  const runs = failed === 1 ? '1 Terraform run has failed' : `${failed} Terraform runs have failed`;
  return { tone: 'good', title: `The webhook is healthy, ${runs}`, lead: `${state} The table shows each failed run.` };
}

export function statusHeader(report: InspectionReport): Html {
  const { tone, title, lead } = statusOf(report);
  return html`<div class="status">${sign(tone)}<div><h1>${title}</h1><p>${lead}</p></div></div>
<dl class="card facts">${facts(report)}</dl>`;
}

function facts(report: InspectionReport): Html[] {
  const { at, serving, certificateAuthority, next, rotation } = report;
  return [
    fact('Serving certificate', left(serving?.leftMs), next.renewal && `renewal due ${relative(next.renewal, at)}`),
    fact(
      'Certificate authority',
      left(certificateAuthority?.leftMs),
      next.caRotation && `rotation due ${relative(next.caRotation, at)}`,
    ),
    fact(
      'Rotation',
      rotation?.phase ?? html`<span class="quiet">unknown</span>`,
      rotation && (rotation.phase === 'stable' ? 'no rotation is running' : 'a rotation is running'),
    ),
    runsFact(report),
  ];
}

function runsFact(report: InspectionReport): Html {
  const failed = failedRuns(report);
  if (failed === undefined) return fact('Terraform runs', html`<span class="quiet">unknown</span>`, undefined);
  const running = (report.applies?.runs.length ?? 0) - failed;
  const text = failed === 0 ? 'none failed' : html`<span class="bad">${failed} failed</span>`;
  return fact('Terraform runs', text, running === 0 ? 'none is running' : `${running} running`);
}

const left = (ms: number | undefined): Insert =>
  ms === undefined
    ? html`<span class="quiet">unknown</span>`
    : ms === 0
      ? html`<span class="bad">expired</span>`
      : `${words(ms)} left`;

const fact = (name: string, value: Insert, note: Insert): Html =>
  html`<div><dt>${name}</dt><dd>${value}</dd>${note !== undefined && html`<dd>${note}</dd>`}</div>
`;
