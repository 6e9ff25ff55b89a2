import { readdir, readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

/**
 * Where a test runs a block of shell commands. The fence says it after the language: nothing for a clean checkout, else
 * `cluster` for a control plane with a daemon on it, `node` for a cluster with a real kubelet, `helm` for one of those
 * with nothing installed, or `unrun: why`.
 */
export type RunBy = 'checkout' | 'cluster' | 'node' | 'helm' | 'unrun';

export interface ShellBlock {
  /** Relative to the project, e.g. `docs/operate.md`. */
  readonly file: string;
  /** Of the fence, from 1. */
  readonly line: number;
  readonly runBy: RunBy;
  /** Why no test runs it; empty for those that are run. */
  readonly reason: string;
  readonly commands: string;
}

const root = new URL('../../', import.meta.url);
const FENCED = /^```(\S*)[ \t]*(.*)\n((?:(?!```).*\n)*)```$/gm;
const SHELLS = new Set(['sh', 'bash', 'shell', 'console', 'zsh']);

/** The documents that people read, relative to the project. */
export async function documents(): Promise<readonly string[]> {
  const docs = await readdir(new URL('docs', root), { recursive: true });
  return [
    'README.md',
    'CONTRIBUTING.md',
    'SECURITY.md',
    ...docs
      .filter((name) => name.endsWith('.md'))
      .toSorted()
      .map((name) => `docs/${name}`),
  ];
}

export const readDocument = (file: string): Promise<string> => readFile(new URL(file, root), 'utf8');

/** The path of a file of the project. */
export const projectFile = (file: string): string => fileURLToPath(new URL(file, root));

/** Throws, with file and line, for a fence that does not say what is to become of its commands. */
export function shellBlocks(file: string, text: string): readonly ShellBlock[] {
  return [...text.matchAll(FENCED)]
    .filter(([, language = '']) => SHELLS.has(language))
    .map(({ index, 1: language = '', 2: info = '', 3: body = '' }) => {
      const line = text.slice(0, index).split('\n').length;
      return { file, line, ...fate(`${file}:${line}`, `${language} ${info}`), commands: body.trimEnd() };
    });
}

function fate(place: string, fence: string): Pick<ShellBlock, 'runBy' | 'reason'> {
  const [, runBy, reason = ''] = /^sh (cluster|node|helm|unrun|)(?:: (\S.*))?$/.exec(fence) ?? [];
  if (runBy === undefined || (runBy === 'unrun') !== (reason !== '')) {
    const found = `found the fence ${JSON.stringify(fence)}`;
    throw new Error(`${place}: ${found}; allowed are "sh", "sh cluster", "sh node", "sh helm" and "sh unrun: why"`);
  }
  return { runBy: runBy === '' ? 'checkout' : (runBy as RunBy), reason };
}

/** All blocks of all documents that are run in one place. */
export async function blocksRunBy(runBy: RunBy): Promise<readonly ShellBlock[]> {
  const files = await documents();
  const blocks = await Promise.all(files.map(async (file) => shellBlocks(file, await readDocument(file))));
  return blocks.flat().filter((block) => block.runBy === runBy);
}
