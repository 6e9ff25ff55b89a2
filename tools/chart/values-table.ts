import { chartValues, type Group, isGroup } from './values.ts';

/** Returns the table of chart values with its notes, as Markdown. README.md of the chart and docs/reference/chart-values.md have it. */
export const valuesSection = (): string => `${valuesTable()}

\`null\` sets a value to its default, except for \`resources: null\`, which gives the Pods no requests and limits. \`null\` within \`options\`, \`policy\` and other maps is refused. Quote a text that YAML reads as
another type, or use \`--set-string\`: \`tag: 1.10\` is a number, and Helm refuses it.

The schema checks the form of an option, not each value. If the daemon refuses a value of \`options\` (for example the address \`10.0.0\`), the
new Pods exit with code 2, and the old Pods keep running until you correct the value.`;

const valuesTable = (): string =>
  ['| value | default | meaning |', '| --- | --- | --- |', ...rows(chartValues, '')].join('\n');

function rows({ properties }: Group, prefix: string): string[] {
  return Object.entries(properties).flatMap(([name, value]) =>
    isGroup(value)
      ? rows(value, `${prefix}${name}.`)
      : [`| \`${prefix}${name}\` | ${shown(value.default)} | ${value.description} |`],
  );
}

const shown = (value: unknown): string =>
  value === '' ? '' : `\`${typeof value === 'string' ? value : JSON.stringify(value)}\``;
