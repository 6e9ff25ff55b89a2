import type { Phase } from '../../../certs/certificate-set.ts';
import { type Html, html } from '../../../lib/html.ts';
import type { InspectionReport } from '../report.ts';
import { minute, pairs, relative, section } from './parts.ts';

/** The phases of a rotation of the certificate authority in their order, and what happens in each. */
const phases: Readonly<Record<Phase, string>> = {
  stable: 'One certificate authority is in use.',
  publishing: 'The next authority is added to the CA bundle.',
  settling: 'Every API server gets time to read the CA bundle.',
  retiring: 'The new authority signs, the former one stays trusted.',
};

export function rotationSection({ at, rotation, next, secret }: InspectionReport): Html {
  if (rotation === undefined) return html``;
  const { phase, since, waitsFor, until } = rotation;
  const order = Object.keys(phases) as Phase[];
  const current = order.indexOf(phase);
  const aside = html`<p class="small quiet">${phase === 'stable' ? 'No rotation is running.' : 'A rotation is running.'}</p>`;
  const due = (moment: Date) => html`${minute(moment)}, ${relative(moment, at)}`;
  return section(
    { id: 'rotation', title: 'Rotation of the certificate authority', aside },
    html`<ol class="steps">
${order.map((name, index) => step(name, Math.sign(index - current)))}
</ol>
${pairs({
  'In this phase since': since && due(since),
  'Waits for': waitsFor,
  'This phase ends': until && due(until),
  'Rotation request': secret.rotateAsked,
  'Certificate renewal due': next.renewal && due(next.renewal),
  'Authority rotation due': next.caRotation && due(next.caRotation),
})}`,
  );
}

/** Returns a phase: already passed (-1), the current one (0), or one that comes later (1). */
function step(name: Phase, distance: number): Html {
  const state = distance === 0 ? html` class="now" aria-current="step"` : distance < 0 && html` class="done"`;
  return html`<li${state}><b>${name}</b>${phases[name]}</li>
`;
}
