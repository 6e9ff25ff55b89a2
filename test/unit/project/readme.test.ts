import assert from 'node:assert/strict';
import { access, readdir, readFile } from 'node:fs/promises';
import { describe, it, test } from 'node:test';
import { markdownIt } from 'markdownlint-rule-relative-links';
import { jobEventReasons } from '../../../src/backstop/job-events.ts';
import { reasons } from '../../../src/certs/reason-texts.ts';
import { type OptionDefinition, type OptionName, oftenChanged, options } from '../../../src/cli/options.ts';
import { otherFindings } from '../../../src/commands/inspect/findings.ts';
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
import { projectFile, readDocument, shellBlocks, TRANSLATION } from '../../support/docs.ts';
import { policyTable, readReadme, shellCommands } from '../../support/readme.ts';

describe('the README', () => {
  it('the README starts with the demo and test commands, and CI runs npm test', async () => {
    const commands = shellCommands(await readReadme());
    assert.deepEqual(commands.slice(0, 2), ['npm ci && npm run demo', 'npm ci && npm test']);
    const ci = await readFile(new URL('../../../.ci/run', import.meta.url), 'utf8');
    assert.match(ci, /^npm ci$.*^npm test$/ms);
  });

  it('the README shows the options that --help names first, with the defaults of the code', async () => {
    const rows = [...(await readReadme()).matchAll(/^\| `--([\w-]+)` \| (.*?) \|/gm)];
    assert.deepEqual(
      rows.map(([, name]) => name),
      oftenChanged,
    );
    for (const [, name = '', cell] of rows) {
      const { default: value, defaultText }: OptionDefinition<unknown> = options[name as OptionName];
      assert.equal(cell, value === undefined ? (defaultText ?? 'none') : `\`${value}\``, name);
    }
  });

  it('the README has at most 150 lines and 9 KB', async () => {
    const readme = await readReadme();
    assert.ok(readme.split('\n').length <= 151, `${readme.split('\n').length} lines`);
    assert.ok(Buffer.byteLength(readme) <= 9 * 1024, `${Buffer.byteLength(readme)} bytes`);
  });

  it('README and CONTRIBUTING name only existing npm scripts', async () => {
    const { scripts } = JSON.parse(await readFile(new URL('../../../package.json', import.meta.url), 'utf8'));
    const texts = await Promise.all(
      ['README.md', 'CONTRIBUTING.md'].map((file) => readFile(new URL(`../../../${file}`, import.meta.url), 'utf8')),
    );
    const named = texts.flatMap((text) => [...text.matchAll(/npm run ([\w:-]+)/g)].map(([, script]) => script ?? ''));
    assert.ok(named.length > 5);
    for (const script of named) assert.ok(script in scripts, `there is no script ${script}`);
  });
});

/** The fields of a token of the Markdown parser markdown-it that `untranslated` reads. */
interface Token {
  readonly type: string;
  readonly tag: string;
  readonly children: readonly Token[] | null;
  attrGet(name: string): string | null;
}

/** Returns the parts of a README that a translation must keep. */
async function untranslated(file: string) {
  const text = await readDocument(file);
  const parsed: readonly Token[] = markdownIt.parse(text, {});
  const tokens = parsed.flatMap((token) => [token, ...(token.children ?? [])]);
  const links = tokens.filter(({ type }) => type === 'link_open').map((token) => token.attrGet('href'));
  return {
    commands: shellBlocks(file, text).map(({ runBy, commands }) => ({ runBy, commands })),
    headings: tokens.filter(({ type }) => type === 'heading_open').map(({ tag }) => tag),
    links: links.filter((href) => href !== 'README.md' && href !== TRANSLATION),
    rows: [...text.matchAll(/^\| (`.*?`|.*?) \|/gm)].map(([, cell = '']) => (cell.startsWith('`') ? cell : '')),
    versions: text.match(/v1\.\d+\.\d+/g),
  };
}

it('README.zh-CN.md has the shell blocks, headings, links, table rows and versions of README.md', async () => {
  assert.deepEqual(await untranslated(TRANSLATION), await untranslated('README.md'));
});

describe('docs/reference/policy-file.md', () => {
  it('the page of the policy file has the fields of the schema and a valid example', async () => {
    const page = await readDocument('docs/reference/policy-file.md');
    assert.ok(page.includes(`\n\n${policyTable()}\n\n`), `the table should be:\n${policyTable()}`);
    const [, example = ''] = /```yaml\n(.*?)```/s.exec(page) ?? [];
    const parsed = parsePolicy(example);
    assert.ok('value' in parsed, JSON.stringify(parsed));
    assert.deepEqual(parsed.value.rules[1], terraformPolicy.rules[0]);
    assert.equal(example, await readDocument('examples/policies/terraform-controller.yaml'));
  });

  it('docs/reference/policy-file.md has the limits of the code for rules, file size and characters of CEL', async () => {
    const cel = LONGEST_EXPRESSION.toLocaleString('en');
    const limits = `- **Limits**: ${MOST_RULES} rules, ${MOST_BYTES / 1024} KiB, ${cel} characters of CEL.`;
    assert.ok((await readDocument('docs/reference/policy-file.md')).includes(limits), `it should say: ${limits}`);
  });
});

describe('docs/reference/presets.md', async () => {
  const files = await readdir(projectFile('examples/policies'));

  it('docs/reference/presets.md links to each file in examples/policies', async () => {
    const page = await readDocument('docs/reference/presets.md');
    const linked = [...page.matchAll(/\]\(\.\.\/\.\.\/examples\/policies\/([^)]+)\)/g)].map(([, file]) => file);
    assert.deepEqual(linked.toSorted(), files.toSorted());
  });

  it('the rules of all files in examples/policies together are a valid policy', async () => {
    const texts = await Promise.all(files.map((file) => readDocument(`examples/policies/${file}`)));
    const rules = texts.map((text) => text.slice(text.indexOf('rules:\n') + 'rules:\n'.length));
    const parsed = parsePolicy(`rules:\n${rules.join('')}`);
    assert.ok('value' in parsed, JSON.stringify(parsed));
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
  ];

  it('docs/how-to/troubleshoot.md has exactly one entry for each reason and error code', async () => {
    const rows = (await readDocument('docs/how-to/troubleshoot.md')).matchAll(/^\| ((?:`[^`]+`(?:, )?)+) \|/gm);
    const named = [...rows].flatMap(([, cell = '']) => [...cell.matchAll(/`([^`]+)`/g)].map(([, word]) => word));
    assert.deepEqual(named.toSorted(), [...new Set<string>(words)].toSorted());
  });
});

test('docs/explanation/failure-modes.md names only existing test files', async () => {
  const root = new URL('../../../', import.meta.url);
  const lessons = await readFile(new URL('docs/explanation/failure-modes.md', root), 'utf8');
  const files = [...lessons.matchAll(/`(test\/[\w/.-]+)`/g)].map(([, file]) => file ?? '');
  assert.ok(files.length > 20);
  for (const file of files) await access(new URL(file, root));
});
