import { readFile } from 'node:fs/promises';
import { matchSchema, policySchema, selectorSchema, settingsSchema } from '../../src/policy/schema.ts';

export const readReadme = (): Promise<string> => readFile(new URL('../../README.md', import.meta.url), 'utf8');

/** Returns the table of policy fields for the documents, from the schema. */
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
