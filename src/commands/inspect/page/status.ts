import { type Html, html, type Insert } from '../../../lib/html.ts';
import type { InspectionReport } from '../report.ts';
import { colour, relative, sign, type Tone, words } from './parts.ts';

interface Status {
  readonly tone: Tone;
  readonly title: string;
  readonly lead: string;
}

/** Returns the state of the install in sentences that need no knowledge of certificates. */
export function statusOf({ verdict, problems, endpoint, rotation }: InspectionReport): Status {
  const works = 'The endpoint answers, and the API server trusts its certificate.';
  if (verdict === 'unhealthy') {
    const title = problems.length === 1 ? '1 problem needs attention' : `${problems.length} problems need attention`;
    const list =
      problems.length === 1
        ? 'The command below repairs it or helps to find the cause.'
        : 'The list begins with the cause.';
    return { tone: 'bad', title, lead: endpoint.isVerified ? `${works} ${list}` : list };
  }
  if (verdict === 'incomplete') {
    return { tone: 'open', title: 'No problem was found', lead: `The endpoint was not called: ${endpoint.why}.` };
  }
  const isRotating = rotation !== undefined && rotation.phase !== 'stable';
  const state = isRotating ? `${works} The certificate authority is being rotated.` : works;
  return { tone: 'good', title: 'The webhook is healthy', lead: `${state} No action needed.` };
}

export function statusHeader(report: InspectionReport): Html {
  const { tone, title, lead } = statusOf(report);
  return html`<div class="status">${sign(tone)}<div><h1>${title}</h1><p>${lead}</p></div></div>
<dl class="card facts">${facts(report)}</dl>`;
}

function facts({ at, serving, certificateAuthority, next, rotation, problems }: InspectionReport): Html[] {
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
    fact(
      'Problems',
      problems.length === 0 ? 'none' : html`<span class="${colour('bad')}">${problems.length}</span>`,
      undefined,
    ),
  ];
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
