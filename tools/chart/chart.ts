import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { stringify } from 'yaml';
import { chartYaml } from './metadata.ts';
import { chartReadme } from './readme.ts';
import { chartValues, type Group, isGroup, valuesSchema } from './values.ts';

/** The folder of the Helm chart. */
export const CHART = fileURLToPath(new URL('../../manifests/helm/', import.meta.url));

const HEADER =
  '# Generated from tools/chart/values.ts by "npm run manifests".\n# A value of null means the default, except for resources: null, which gives no requests and limits.\n# null within options, policy and other maps is refused.\n\n';
const LINE = 120;
/** Files that kustomize and the chart share. They are copied because a chart can read only files of its own folder. */
const COPIED = ['pod-monitor.yaml', 'prometheus-rule.yaml', 'dashboard.json'];

/** Returns the generated files of the chart by their path in the chart. The templates are written by hand. */
export async function chartFiles(): Promise<Readonly<Record<string, string>>> {
  const monitoring = new URL('../../manifests/overlays/monitoring/', import.meta.url);
  const copies = COPIED.map(async (name) => [`files/${name}`, await readFile(new URL(name, monitoring), 'utf8')]);
  return {
    'Chart.yaml': await chartYaml(),
    'README.md': chartReadme(),
    'values.schema.json': `${JSON.stringify(valuesSchema, null, 2)}\n`,
    'values.yaml': HEADER + valuesYaml(chartValues, ''),
    'files/defaults.json': `${JSON.stringify(defaults(chartValues), null, 2)}\n`,
    ...Object.fromEntries(await Promise.all(copies)),
  };
}

/** Returns the content of files/defaults.json: the defaults that the templates use for null and missing values. */
function defaults({ properties }: Group): object {
  // Without a default for `resources`, a `resources: null` of the user stays null, and so removes the requests and limits.
  const { resources: _, ...others } = properties;
  const entries = Object.entries(others).map(([name, value]) => [
    name,
    isGroup(value) ? defaults(value) : value.default,
  ]);
  return Object.fromEntries(entries);
}

function valuesYaml({ properties }: Group, indent: string): string {
  const entries = Object.entries(properties).map(([name, value]) => {
    if (isGroup(value)) return `${indent}${name}:\n${valuesYaml(value, `${indent}  `)}`;
    const yaml = stringify({ [name]: value.default }).replaceAll(/^(?=.)/gm, indent);
    return comment(value.description ?? '', indent) + yaml;
  });
  return entries.join(indent === '' ? '\n' : '');
}

function comment(text: string, indent: string): string {
  const start = `${indent}# `;
  const lines = [start];
  for (const word of text.split(' ')) {
    const line = lines.at(-1) ?? start;
    if (line !== start && line.length + 1 + word.length > LINE) lines.push(start + word);
    else lines[lines.length - 1] = line === start ? line + word : `${line} ${word}`;
  }
  return `${lines.join('\n')}\n`;
}
