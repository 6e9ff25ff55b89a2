import assert from 'node:assert/strict';
import { access } from 'node:fs/promises';
import { describe, it } from 'node:test';
import { lint } from 'markdownlint/sync';
import relativeLinks, { markdownIt } from 'markdownlint-rule-relative-links';
import { PACKAGES } from '../../../tools/node/packages.ts';
import { documents, projectFile, readDocument, shellBlocks } from '../../support/docs.ts';

/** Returns the links of a document to missing files or headings. Headings get the anchors that GitHub gives them. */
const problemsOf = (file: string) => {
  const results = lint({
    files: [projectFile(file)],
    config: { default: false, 'link-fragments': true, 'reference-links-images': true, 'relative-links': true },
    customRules: [relativeLinks],
    markdownItFactory: () => markdownIt,
  });
  return Object.values(results)
    .flat()
    .map(({ lineNumber, errorDetail, errorContext }) => `${file}:${lineNumber}: ${errorDetail ?? errorContext}`);
};

describe('the Markdown documents', async () => {
  for (const file of await documents()) {
    it(`each shell block of ${file} names the test that runs it, or the reason why no test does`, async () => {
      const text = await readDocument(file);
      assert.doesNotThrow(() => shellBlocks(file, text));
    });

    it(`${file} names only files of the project that exist`, async () => {
      const named = [
        ...(await readDocument(file)).matchAll(/`((?:src|test|tools|bench|manifests|addon|docs|examples)\/[\w./-]*)`/g),
      ];
      for (const [, path = ''] of named) await assert.doesNotReject(access(projectFile(path)), path);
    });

    it(`${file} links only to files and headings that exist`, () => assert.deepEqual(problemsOf(file), []));
  }
});

describe('shell blocks of documents', () => {
  for (const info of ['bash', 'sh unrun', 'sh unrun: ', 'sh somewhere', 'sh node: why', 'console']) {
    it(`a shell block with the fence ${JSON.stringify(info)} is refused`, () => {
      assert.throws(() => shellBlocks('a.md', `one\n\`\`\`${info}\nls\n\`\`\`\n`), /^Error: a\.md:2: invalid fence/);
    });
  }

  it('shellBlocks returns each shell block with its line, its commands, and the place where a test runs it, or the reason why none does', () => {
    const text = '```sh\na\nb\n```\n\n```yaml\nc\n```\n```sh unrun: it takes hours\nd\n```\n';
    assert.deepEqual(shellBlocks('a.md', text), [
      { file: 'a.md', line: 1, runBy: 'checkout', reason: '', commands: 'a\nb' },
      { file: 'a.md', line: 9, runBy: 'unrun', reason: 'it takes hours', commands: 'd' },
    ]);
  });
});

it('CI installs each Debian package that the node of the tests needs', async () => {
  const installed = (await readDocument('.ci/packages')).trim().split('\n');
  for (const name of Object.keys(PACKAGES)) assert.ok(installed.includes(name), name);
});
