import { readFile } from 'node:fs/promises';
import { type OptionDefinition, optionNames, options } from '../../src/cli/options.ts';
import { matchSchema, policySchema, selectorSchema, settingsSchema } from '../../src/policy/schema.ts';

export const readReadme = (): Promise<string> => readFile(new URL('../../README.md', import.meta.url), 'utf8');

/** The README's table of options, as the code would have it. */
export function optionsTable(): string {
  const rows = optionNames.map((name) => {
    const { description, default: value, defaultText = '' }: OptionDefinition<unknown> = options[name];
    return `| \`--${name}\` | ${value === undefined ? defaultText : `\`${value}\``} | ${description} |`;
  });
  return ['| option | default | meaning |', '| --- | --- | --- |', ...rows].join('\n');
}

/** The README's table of what a rule may say, as the schema would have it. */
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

/** The commands in the README's shell blocks, a line each. */
export function shellCommands(readme: string): string[] {
  return [...readme.matchAll(/```sh\n(.*?)```/gs)].flatMap(([, block]) => (block ?? '').trim().split('\n'));
}
