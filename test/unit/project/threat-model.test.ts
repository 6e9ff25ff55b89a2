import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { describe, it } from 'node:test';
import { projectFile, readDocument } from '../../support/docs.ts';

const text = await readDocument('docs/explanation/threat-model.md');
const rows = (section: string): string[][] => {
  const body = text.split(`\n## ${section}\n`)[1]?.split('\n## ')[0] ?? '';
  const lines = body.split('\n').filter((line) => line.startsWith('| '));
  return lines.slice(2).map((line) => line.split(' | ').map((cell) => cell.replace(/^\| | \|$/g, '')));
};

/** Returns the tests that a table cell names: a file in backticks, then test names in italics. */
const testsOf = (cell: string) =>
  cell.split(/(?=`test\/)/).flatMap((part) => {
    const [, file = ''] = /^`(test\/[^`]+)`/.exec(part) ?? [];
    return [...part.matchAll(/\*([^*]+)\*/g)].map(([, name = '']) => ({ file, name }));
  });

describe('the threat model', () => {
  const threats = rows('Threats');

  it('the threat model has a test for each threat', () => {
    assert.ok(threats.length > 20, `${threats.length}`);
    for (const [threat, , heldBy = ''] of threats) assert.notDeepEqual(testsOf(heldBy), [], threat);
  });

  for (const { file, name } of threats.flatMap(([, , heldBy = '']) => testsOf(heldBy))) {
    it(`the threat model names an existing test: ${name}`, async () => {
      const source = await readFile(projectFile(file), 'utf8');
      // The name must be the quoted first argument of `it`, `test`, `describe` or `suite`, not of a skipped test such
      // as `it.skip`.
      const escaped = name.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
      assert.match(source, new RegExp(`\\b(?:it|test|describe|suite)\\((['"])${escaped}\\1`), file);
    });
  }
});
