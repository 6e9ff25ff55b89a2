/**
 * The style sheet of the page. It has no `url()`, and the colours of texts have a contrast of at least 4.5 to the
 * backgrounds (WCAG AA), which a test in a browser measures.
 */
export const style = `
:root {
  color-scheme: light dark;
  --page: #f6f7f8; --card: #ffffff; --ink: #15191e; --quiet: #59636f; --line: #e2e6ea; --track: #eef1f3;
  --accent: #0b6e69; --soft: #b5dcd7; --wash: #e6f3f1;
  --alert: #b3261e; --alert-wash: #fcebe9;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #0e1216; --card: #161b21; --ink: #e8ecf0; --quiet: #98a4b0; --line: #272e36; --track: #222930;
    --accent: #5cc8bc; --soft: #25524e; --wash: #152a2a;
    --alert: #ff8f84; --alert-wash: #321a1a;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; text-size-adjust: 100%; }
body {
  margin: 0; background: var(--page); color: var(--ink);
  font: 15px/1.55 -apple-system, "Segoe UI", Inter, Roboto, "Helvetica Neue", "Noto Sans", "Noto Sans CJK SC", sans-serif;
  font-variant-numeric: tabular-nums; overflow-wrap: anywhere;
}
main { max-width: 62rem; margin: 0 auto; padding: 2.5rem 1.5rem 3rem; }
p, h1, h2, h3, ul, ol, dl, dd, table { margin: 0; padding: 0; }
ul, ol { list-style: none; }
h1 { font-size: 1.9rem; line-height: 1.2; letter-spacing: -0.022em; font-weight: 650; font-variant-numeric: normal; text-wrap: balance; }
h2 { font-size: 1.05rem; letter-spacing: -0.008em; font-weight: 650; }
h3 { font-size: 0.8125rem; font-weight: 600; }
code, .mono { font: 0.8125rem/1.5 ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace; }
svg { display: block; }
.quiet { color: var(--quiet); }
.small { font-size: 0.8125rem; }
.strong { font-weight: 600; }
.bad { color: var(--alert); }
.good { color: var(--accent); }

.top { display: flex; justify-content: space-between; flex-wrap: wrap; gap: 0.25rem 2rem; font-size: 0.8125rem; color: var(--quiet); }
.top b { color: var(--ink); font-weight: 600; }
.status { display: flex; gap: 1.1rem; margin: 1.9rem 0 2rem; }
.status svg { flex: none; width: 2.5rem; height: 2.5rem; margin-top: -0.1rem; }
.status p { margin-top: 0.5rem; max-width: 44rem; font-size: 1.0625rem; color: var(--quiet); }
.glyph { fill: none; stroke: currentColor; stroke-width: 2; stroke-linecap: round; stroke-linejoin: round; }
.disc { fill: var(--wash); stroke: none; }
.bad .disc { fill: var(--alert-wash); }
.quiet .disc { fill: var(--track); }

.card { background: var(--card); border: 1px solid var(--line); border-radius: 12px; }
section { margin-top: 2.25rem; }
section > header { display: flex; justify-content: space-between; align-items: baseline; flex-wrap: wrap; gap: 0 1.5rem; margin-bottom: 0.75rem; }

.facts { display: grid; grid-template-columns: repeat(4, 1fr); }
.facts > div { padding: 1rem 1.25rem 1.1rem; border-left: 1px solid var(--line); }
.facts > div:first-child { border-left: 0; }
.facts dt { font-size: 0.8125rem; color: var(--quiet); }
.facts dd { font-size: 1.25rem; line-height: 1.35; font-weight: 600; letter-spacing: -0.015em; }
.facts dd + dd { font-size: 0.8125rem; font-weight: 400; letter-spacing: 0; color: var(--quiet); margin-top: 0.1rem; }

.findings > li { padding: 1.1rem 1.25rem 1.2rem; border-top: 1px solid var(--line); }
.findings > li:first-child { border-top: 0; }
.finding { display: grid; grid-template-columns: 6.5rem 1fr; column-gap: 1rem; }
.finding + .finding { margin-top: 0.7rem; }
.finding > p { font-size: 0.8125rem; line-height: 1.8; }
.finding .message { font-weight: 500; }
.finding .message::first-letter { text-transform: uppercase; }
.findings .command { margin: 0.85rem 0 0 7.5rem; }
.command { display: block; margin-top: 0.75rem; padding: 0.6rem 0.8rem; border-radius: 8px; background: var(--page); white-space: pre-wrap; user-select: all; -webkit-user-select: all; }

.bars { padding: 0.5rem 1.25rem 0.8rem; }
.bars > li { display: grid; grid-template-columns: 12rem 1fr 7rem; column-gap: 1.25rem; align-items: center; }
.bars .left { text-align: right; }
.child { padding-left: 1.4rem; position: relative; }
.child::before { content: ""; position: absolute; left: 0.3rem; top: -0.7rem; width: 0.65rem; height: 1.45rem; border: solid var(--quiet); border-width: 0 0 1.5px 1.5px; border-bottom-left-radius: 5px; opacity: 0.6; }
.valid { fill: var(--accent); }
.due { fill: var(--soft); }
.track { fill: var(--track); }
.tick { stroke: var(--line); stroke-width: 1; shape-rendering: crispEdges; }
.axis text { fill: var(--quiet); font-size: 12px; text-anchor: middle; }
.axis text.first { text-anchor: start; }
.over { fill: var(--alert); }
.legend { display: flex; flex-wrap: wrap; gap: 0.2rem 1.25rem; color: var(--quiet); font-size: 0.8125rem; }
.legend li { display: flex; align-items: center; gap: 0.45rem; }
.legend svg { width: 1.4rem; height: 0.5rem; }

.checks > li { display: flex; gap: 0.6rem; padding: 0.8rem 1.25rem; border-bottom: 1px solid var(--line); }
.checks svg { flex: none; width: 1.25rem; height: 1.25rem; margin-top: 0.15rem; }
.sides { display: grid; grid-template-columns: repeat(3, 1fr); }
.sides > div { padding: 1rem 1.25rem 1.2rem; border-left: 1px solid var(--line); min-width: 0; }
.sides > div:first-child { border-left: 0; }
.sides h3 + p { margin-top: 0.7rem; }
.sides li { margin-top: 0.7rem; }
.note { padding: 0.9rem 1.25rem 1.1rem; border-top: 1px solid var(--line); }

.steps { display: grid; grid-template-columns: repeat(4, 1fr); padding: 1.25rem 1.25rem 1.1rem; counter-reset: step; }
.steps > li { position: relative; padding: 1.65rem 1rem 0 0; color: var(--quiet); font-size: 0.8125rem; }
.steps > li::before { content: ""; position: absolute; left: 0; right: 0; top: 0.4rem; height: 2px; background: var(--line); }
.steps > li::after { content: ""; position: absolute; left: 0; top: 0; width: 0.9rem; height: 0.9rem; border-radius: 50%; background: var(--card); border: 2px solid var(--line); }
.steps > li.done::before, .steps > li.done::after { background: var(--soft); border-color: var(--soft); }
.steps > li.now::after { background: var(--accent); border-color: var(--accent); box-shadow: 0 0 0 4px var(--wash); }
.steps b { display: block; font-size: 0.9375rem; font-weight: 600; }
.steps > li.now b { color: var(--accent); }
.steps > li.now { color: var(--ink); }

.pairs { padding: 0.8rem 1.25rem 0.9rem; border-top: 1px solid var(--line); font-size: 0.875rem; }
.pairs > div { display: grid; grid-template-columns: 14rem 1fr; column-gap: 1rem; padding: 0.15rem 0; }
.pairs dt { color: var(--quiet); }

table { width: 100%; border-collapse: collapse; font-size: 0.875rem; }
th, td { text-align: left; vertical-align: top; padding: 0.6rem 0.6rem; border-top: 1px solid var(--line); }
thead th { border-top: 0; font-size: 0.8125rem; font-weight: 500; color: var(--quiet); }
tbody th { font-weight: 600; }
th:first-child, td:first-child { padding-left: 1.25rem; }
th:last-child, td:last-child { padding-right: 1.25rem; }
tbody + tbody > tr:first-child > * { border-top: 1px solid var(--line); }
.runs th, .runs td { border-top: 0; }
.runs thead th { border-bottom: 1px solid var(--line); }
.runs tbody tr:first-child > * { padding-top: 0.9rem; padding-bottom: 0.1rem; }
.runs tbody tr + tr > * { padding-top: 0.1rem; padding-bottom: 1rem; }
.commands { margin-top: 0.5rem; }
.commands > div { display: grid; grid-template-columns: 5.5rem 1fr; align-items: baseline; margin-top: 0.35rem; }
.commands dt { color: var(--quiet); }
.commands .command { margin: 0; padding: 0.35rem 0.7rem; }
.empty { padding: 1.1rem 1.25rem; color: var(--quiet); }
.details h3 { padding: 1.1rem 1.25rem 0; font-size: 0.9375rem; }
.details h3 + table { margin: 0.35rem 0 0.5rem; }
.details table + h3 { border-top: 1px solid var(--line); }
.details td, .details th { border-top: 0; padding-top: 0.15rem; padding-bottom: 0.15rem; }
.details tbody th { width: 8rem; font-weight: 400; color: var(--quiet); }
.details .mono { font-size: 0.75rem; }
footer { margin-top: 2.5rem; font-size: 0.8125rem; color: var(--quiet); }

@media (max-width: 43rem) {
  main { padding: 1.25rem 1rem 2rem; }
  h1 { font-size: 1.5rem; }
  .status { gap: 0.8rem; margin: 1.4rem 0 1.5rem; }
  .status svg { width: 2rem; height: 2rem; margin-top: 0; }
  .facts { grid-template-columns: 1fr 1fr; }
  .facts > div { padding: 0.8rem 1rem 0.9rem; }
  .facts > div:nth-child(odd) { border-left: 0; }
  .facts > div:nth-child(n + 3) { border-top: 1px solid var(--line); }
  .bars { padding: 0.2rem 1rem 0.7rem; }
  .bars > li { grid-template-columns: 1fr auto; padding-top: 0.7rem; }
  .bars > li.axis { padding: 0; }
  .bars > li > svg { grid-column: 1 / -1; grid-row: 2; }
  .bars > li.axis > .gap { display: none; }
  .finding { grid-template-columns: 1fr; }
  .findings .command { margin-left: 0; }
  .axis text.even { display: none; }
  .findings > li, .checks > li, .sides > div, .note, .pairs, .empty { padding-left: 1rem; padding-right: 1rem; }
  .sides { grid-template-columns: 1fr; }
  .sides > div { border-left: 0; }
  .sides > div + div { border-top: 1px solid var(--line); }
  .steps { grid-template-columns: 1fr; padding: 1.1rem 1rem 0.5rem; }
  .steps > li { padding: 0 0 0.9rem 1.9rem; }
  .steps > li::before { left: 0.39rem; right: auto; top: 0.3rem; bottom: -0.3rem; width: 2px; height: auto; }
  .steps > li:last-child::before { display: none; }
  .steps > li::after { top: 0.25rem; }
  .pairs > div { grid-template-columns: 1fr; padding: 0.25rem 0; }
  thead { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
  table, tbody, tr, th, td { display: block; }
  tr + tr { border-top: 1px solid var(--line); }
  tbody tr { padding: 0.8rem 1rem; }
  th, td, th:first-child, td:first-child, th:last-child, td:last-child { border-top: 0; padding: 0.1rem 0; }
  .commands > div { grid-template-columns: 1fr; }
  tbody + tbody { border-top: 1px solid var(--line); }
  tr + tr { border-top: 0; }
  .runs tbody tr:first-child { padding-bottom: 0; }
  .runs tbody tr + tr { padding-top: 0; }
  .runs tbody tr:first-child > *, .runs tbody tr + tr > * { padding: 0.1rem 0; border: 0; }
  .runs tbody tr:first-child > td { display: inline-block; margin-right: 0.9rem; }
  tbody + tbody > tr:first-child > * { border: 0; }
  .details h3 { padding: 1rem 1rem 0; }
  .details tbody th { width: auto; padding-top: 0; }
  .details tbody tr { padding: 0.2rem 1rem; }
  .details tr + tr { border-top: 0; }
}
@media print {
  :root {
    --page: #ffffff; --card: #ffffff; --ink: #000000; --quiet: #444b53; --line: #c9ced4; --track: #eef1f3;
    --accent: #0b6e69; --soft: #b5dcd7; --wash: #ffffff; --alert: #b3261e; --alert-wash: #ffffff;
  }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  body { font-size: 10pt; }
  main { max-width: none; padding: 0; }
  .card, tr, li { break-inside: avoid; }
  .details { break-inside: auto; }
  h2 { break-after: avoid; }
  .command { border: 1px solid var(--line); }
}
`;
