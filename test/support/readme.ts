import { readFile } from 'node:fs/promises';
import { type OptionDefinition, optionNames, options } from '../../src/cli/options.ts';
import { matchSchema, policySchema, selectorSchema, settingsSchema } from '../../src/policy/schema.ts';

export const readReadme = (): Promise<string> => readFile(new URL('../../README.md', import.meta.url), 'utf8');

/** Returns the table of options that the README must have. */
export function optionsTable(): string {
  const rows = optionNames.map((name) => {
    const { description, details, default: value, defaultText = '' }: OptionDefinition<unknown> = options[name];
    return `| \`--${name}\` | ${value === undefined ? defaultText : `\`${value}\``} | ${details ? `${description}. ${details}` : description} |`;
  });
  return ['| option | default | meaning |', '| --- | --- | --- |', ...rows].join('\n');
}

/** Returns the table of policy fields that the README must have, from the schema. */
export function policyTable(): string {
  const fields = [
    ['namespaceSelector', selectorSchema] as const,
    ['name', policySchema.shape.rules.element.shape.name] as const,
    ...Object.entries(matchSchema.shape).map(([name, schema]) => [`match.${name}`, schema] as const),
    ...Object.entries(settingsSchema.shape).map(([name, schema]) => [`set.${name}`, schema] as const),
  ];
  const rows = fields.map(([field, { description }]) => `| \`${field}\` | ${description} |`);
  return ['| field | meaning |', '| --- | --- |', ...rows].join('\n');
}

/** Returns the commands in the shell blocks of the README, one per line. */
export function shellCommands(readme: string): string[] {
  return [...readme.matchAll(/```sh\n(.*?)```/gs)].flatMap(([, block]) => (block ?? '').trim().split('\n'));
}
