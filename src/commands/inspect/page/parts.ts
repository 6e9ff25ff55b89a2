import { type Html, html, type Insert } from '../../../lib/html.ts';
import { oneLine } from '../../../lib/text.ts';
import { date, durationText } from '../../formats.ts';

export type Tone = 'good' | 'bad' | 'open';

const YEAR_MS = 365.25 * 86_400_000;

const strokes: Readonly<Record<Tone, Html>> = {
  good: html`<path d="M7.5 12.4l3.1 3.1 6-6.6"/>`,
  bad: html`<path d="M12 7.2v5.6M12 16.4v.1"/>`,
  open: html`<path d="M8 12h.1M12 12h.1M16 12h.1"/>`,
};

/** Returns a sign that stands beside a text with the same meaning, so that a screen reader can skip it. */
export const sign = (tone: Tone): Html =>
  html`<svg class="${colour(tone)}" viewBox="0 0 24 24" aria-hidden="true"><circle class="disc" cx="12" cy="12" r="12"/><g class="glyph">${strokes[tone]}</g></svg>`;

const colour = (tone: Tone): string => (tone === 'open' ? 'quiet' : tone);

interface Heading {
  readonly id: string;
  readonly title: string;
  /** Shown at the right of the title. */
  readonly aside?: Html;
}

export const section = ({ id, title, aside }: Heading, body: Html): Html => html`
<section aria-labelledby="${id}">
<header><h2 id="${id}">${title}</h2>${aside}</header>
<div class="card">${body}</div>
</section>`;

/** Returns a command on one line, which a click selects. */
export const command = (text: string): Html => html`<code class="command">${oneLine(text)}</code>`;

/** Returns a day in UTC, with the full date for machines. */
export const day = (moment: Date): Html =>
  html`<time datetime="${date(moment).replace(' ', 'T')}">${date(moment).slice(0, 10)}</time>`;

export const minute = (moment: Date): Html =>
  html`<time datetime="${date(moment).replace(' ', 'T')}">${date(moment).slice(0, 16)} UTC</time>`;

/** Formats a duration in words, in years if there are at least two. */
export const words = (ms: number): string =>
  ms >= 2 * YEAR_MS ? `${Math.floor((10 * ms) / YEAR_MS) / 10} years` : durationText(ms);

export const relative = (moment: Date, now: Date): string => {
  const text = words(Math.abs(moment.getTime() - now.getTime()));
  return moment >= now ? `in ${text}` : `${text} ago`;
};

/** Returns the names and texts of a list of facts. Leaves out the facts that are unknown. */
export const pairs = (facts: Readonly<Record<string, Insert>>): Html => {
  const known = Object.entries(facts).filter(([, fact]) => fact !== undefined && fact !== false);
  return html`${known.length > 0 && html`<dl class="pairs">${known.map(([name, fact]) => html`<div><dt>${name}</dt><dd>${fact}</dd></div>`)}</dl>`}`;
};
