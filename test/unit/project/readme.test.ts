import assert from 'node:assert/strict';
import { access, readFile } from 'node:fs/promises';
import { describe, it, test } from 'node:test';
import { jobEventReasons } from '../../../src/backstop/job-events.ts';
import { reasons } from '../../../src/certs/reason-texts.ts';
import { options } from '../../../src/cli/options.ts';
import { otherFindings } from '../../../src/commands/inspect/findings.ts';
import { verdicts } from '../../../src/commands/inspect/report.ts';
import { errorCodes } from '../../../src/lib/errors.ts';
import { LONGEST_EXPRESSION } from '../../../src/policy/cel.ts';
import { allowReasons } from '../../../src/policy/decide.ts';
import { MOST_BYTES } from '../../../src/policy/file.ts';
import { parsePolicy } from '../../../src/policy/parse.ts';
import { terraformPolicy } from '../../../src/policy/policy.ts';
import { MOST_RULES } from '../../../src/policy/schema.ts';
import { registrationReasons } from '../../../src/registration/drift.ts';
import { eventReasons } from '../../../src/telemetry/events.ts';
import { connectionReasons } from '../../../src/webhook/refused-connections.ts';
import { readDocument } from '../../support/docs.ts';
import { optionsTable, policyTable, readReadme, shellCommands } from '../../support/readme.ts';

describe('the README', () => {
  it('has the options that the code has, with their defaults', async () => {
    const readme = await readReadme();
    assert.ok(readme.includes(optionsTable()), `the table should be:\n${optionsTable()}`);
  });

  it('has the fields of a policy that the schema has, and an example that can be used', async () => {
    const readme = await readReadme();
    assert.ok(readme.includes(`\n\n${policyTable()}\n\n`), `the table should be:\n${policyTable()}`);
    const [, example = ''] = /## Policy.*?```yaml\n(.*?)```/s.exec(readme) ?? [];
    const parsed = parsePolicy(example);
    assert.ok('value' in parsed, JSON.stringify(parsed));
    assert.deepEqual(parsed.value.rules[1], terraformPolicy.rules[0]);
  });

  it('has the limits of a policy that the code has', async () => {
    const cel = LONGEST_EXPRESSION.toLocaleString('en');
    const limits = `- **Limits**: ${MOST_RULES} rules, ${MOST_BYTES / 1024} KiB, ${cel} characters of CEL.`;
    assert.ok((await readReadme()).includes(limits), `it should say: ${limits}`);
  });

  it('starts with the two commands, of which CI runs the second', async () => {
    const commands = shellCommands(await readReadme());
    assert.deepEqual(commands.slice(0, 2), ['npm ci && npm run demo', 'npm ci && npm test']);
    const ci = await readFile(new URL('../../../.ci/run', import.meta.url), 'utf8');
    assert.match(ci, /^npm ci$.*^npm test$/ms);
  });

  it('gives the daemon only options that there are', async () => {
    const [, ...commands] = (await readReadme()).split(/^npx node dist\/terraform-daemon\.js/m);
    const flags = commands.flatMap((text) => [...(text.split('```')[0] ?? '').matchAll(/--([\w-]+)/g)]);
    assert.ok(flags.length > 4);
    for (const [, flag = ''] of flags) assert.ok(flag === 'help' || flag in options, `there is no option --${flag}`);
  });

  it('names only scripts that there are', async () => {
    const { scripts } = JSON.parse(await readFile(new URL('../../../package.json', import.meta.url), 'utf8'));
    const texts = await Promise.all(
      ['README.md', 'CONTRIBUTING.md'].map((file) => readFile(new URL(`../../../${file}`, import.meta.url), 'utf8')),
    );
    const named = texts.flatMap((text) => [...text.matchAll(/npm run ([\w:-]+)/g)].map(([, script]) => script ?? ''));
    assert.ok(named.length > 5);
    for (const script of named) assert.ok(script in scripts, `there is no script ${script}`);
  });
});

describe('docs/how-to/troubleshoot.md', () => {
  const words = [
    ...Object.keys(reasons),
    ...Object.keys(registrationReasons),
    ...Object.keys(otherFindings),
    ...allowReasons,
    ...Object.keys(eventReasons),
    ...jobEventReasons,
    ...connectionReasons,
    ...errorCodes,
    ...Object.keys(verdicts),
  ];

  it('has a row for each word and code that the code knows, and no other', async () => {
    const rows = [...(await readDocument('docs/how-to/troubleshoot.md')).matchAll(/^\| `([^`]+)`/gm)].map(
      ([, word]) => word,
    );
    assert.deepEqual(rows.toSorted(), [...new Set<string>(words)].toSorted());
  });

  it('says of a reason what the code says', async () => {
    const text = await readDocument('docs/how-to/troubleshoot.md');
    const meanings = Object.entries(verdicts).map(([word, { meaning }]) => [word, meaning] as const);
    for (const [word, meaning] of [...Object.entries({ ...reasons, ...registrationReasons }), ...meanings]) {
      assert.ok(text.includes(`| \`${word}\` | ${meaning} | `), word);
    }
  });
});

test('docs/how-to/operate.md has the exit codes of inspect that the code has', async () => {
  const rows = [...(await readDocument('docs/how-to/operate.md')).matchAll(/^\| (\d) \| (.*) \| (.*) \|$/gm)];
  const expected = Object.entries(verdicts).map(([word, { exitCode, meaning }]) => [
    `${exitCode}`,
    `\`${word}\``,
    meaning,
  ]);
  const misused = ['2', 'none', 'called wrongly'];
  assert.deepEqual(
    rows.map(([, ...cells]) => cells),
    [...expected, misused].toSorted(([one = ''], [other = '']) => one.localeCompare(other)),
  );
});

test('docs/explanation/failure-modes.md names only tests that there are', async () => {
  const root = new URL('../../../', import.meta.url);
  const lessons = await readFile(new URL('docs/explanation/failure-modes.md', root), 'utf8');
  const files = [...lessons.matchAll(/`(test\/[\w/.-]+)`/g)].map(([, file]) => file ?? '');
  assert.ok(files.length > 20);
  for (const file of files) await access(new URL(file, root));
});
