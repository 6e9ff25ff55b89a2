import { readdir, readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

/**
 * Where a test runs a block of shell commands. The text after the three backticks selects the place. `sh`: a clean
 * checkout. `sh cluster`: a control plane with a daemon. `sh node`: a cluster with a real kubelet. `sh helm`: a cluster
 * with a real kubelet and nothing installed. `sh quick-start`: the same without the namespace of the daemon.
 * `sh unrun: <reason>`: no test runs the block.
 */
export type RunBy = 'checkout' | 'cluster' | 'node' | 'helm' | 'quick-start' | 'unrun';

export interface ShellBlock {
  /** Path relative to the project. */
  readonly file: string;
  /** Line number of the fence, from 1. */
  readonly line: number;
  readonly runBy: RunBy;
  /** Why no test runs the block; empty if a test does. */
  readonly reason: string;
  readonly commands: string;
}

const root = new URL('../../', import.meta.url);
/** The Chinese README. Its shell blocks equal the blocks of README.md, so no test runs them a second time. */
export const TRANSLATION = 'README.zh-CN.md';

const FENCED = /^```(\S*)[ \t]*(.*)\n((?:(?!```).*\n)*)```$/gm;
const SHELLS = new Set(['sh', 'bash', 'shell', 'console', 'zsh']);

/** Returns the paths of the Markdown documents, relative to the project. */
export async function documents(): Promise<readonly string[]> {
  const docs = await readdir(new URL('docs', root), { recursive: true });
  return [
    'README.md',
    TRANSLATION,
    '.github/pull_request_template.md',
    'CODE_OF_CONDUCT.md',
    'CONTRIBUTING.md',
    'RELEASE.md',
    'SECURITY.md',
    'SUPPORT.md',
    'examples/README.md',
    'manifests/helm/README.md',
    'addon/terraform-daemon/README.md',
    ...docs
      .filter((name) => name.endsWith('.md'))
      .toSorted()
      .map((name) => `docs/${name}`),
  ];
}

export const readDocument = (file: string): Promise<string> => readFile(new URL(file, root), 'utf8');

/** Returns the absolute path of a file of the project. */
export const projectFile = (file: string): string => fileURLToPath(new URL(file, root));

/**
 * Returns the shell blocks of a document.
 *
 * @throws Error with file and line if a fence does not name a known place.
 */
export function shellBlocks(file: string, text: string): readonly ShellBlock[] {
  return [...text.matchAll(FENCED)]
    .filter(([, language = '']) => SHELLS.has(language))
    .map(({ index, 1: language = '', 2: info = '', 3: body = '' }) => {
      const line = text.slice(0, index).split('\n').length;
      return { file, line, ...fate(`${file}:${line}`, `${language} ${info}`), commands: body.trimEnd() };
    });
}

function fate(place: string, fence: string): Pick<ShellBlock, 'runBy' | 'reason'> {
  const [, runBy, reason = ''] = /^sh (cluster|node|helm|quick-start|unrun|)(?:: (\S.*))?$/.exec(fence) ?? [];
  if (runBy === undefined || (runBy === 'unrun') !== (reason !== '')) {
    const valid = '"sh", "sh cluster", "sh node", "sh helm", "sh quick-start" or "sh unrun: <reason>"';
    throw new Error(`${place}: invalid fence ${JSON.stringify(fence)}: must be ${valid}`);
  }
  return { runBy: runBy === '' ? 'checkout' : (runBy as RunBy), reason };
}

export async function blocksRunBy(runBy: RunBy): Promise<readonly ShellBlock[]> {
  const files = (await documents()).filter((file) => file !== TRANSLATION);
  const blocks = await Promise.all(files.map(async (file) => shellBlocks(file, await readDocument(file))));
  return blocks.flat().filter((block) => block.runBy === runBy);
}
