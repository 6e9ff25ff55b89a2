import {
  type Document,
  isAlias,
  isMap,
  isNode,
  LineCounter,
  type Node,
  parseAllDocuments,
  stringify,
  visit,
  type YAMLMap,
} from 'yaml';

export type Path = readonly PropertyKey[];

/** The value of a text in YAML or JSON, and the lines of its parts. */
export interface YamlText {
  readonly value: unknown;
  /** The line (from 1) of the field or list item at a path; if there is none, of its nearest parent. */
  lineOf(path: Path): number;
}

/** Why a text cannot be read, and in which line. */
export interface YamlProblem {
  readonly line: number;
  readonly problem: string;
}

/** Reads one document of YAML 1.2, which includes JSON. A duplicate field is a problem. */
export function readYaml(text: string): YamlText | { readonly problems: readonly YamlProblem[] } {
  const lines = new LineCounter();
  const documents = parseAllDocuments(text, { lineCounter: lines, prettyErrors: false, logLevel: 'error' });
  const [document, second] = 'empty' in documents ? [] : documents;
  if (document === undefined) return { value: undefined, lineOf: () => 1 };
  const lineAt = (offset = 0) => lines.linePos(offset).line;
  const problems = document.errors.map(({ message, pos }) => ({ line: lineAt(pos[0]), problem: message }));
  for (const { source, offset } of openAliases(document)) {
    const problem = `found the alias *${source}, which stands for nothing; a text that begins with * has to be in quotes`;
    problems.push({ line: lineAt(offset), problem });
  }
  if (second) problems.push({ line: lineAt(second.range[0]), problem: 'a second document begins' });
  // Code that copies objects drops this field silently.
  const proto = /(?<![\w.-])__proto__["']?\s*:/.exec(text);
  if (proto) problems.push({ line: lineAt(proto.index), problem: 'found the field __proto__, which there is not' });
  if (problems.length > 0) return { problems };
  try {
    return { value: document.toJS(), lineOf: (path) => lineAt(offsetOf(document.contents, path)) };
  } catch (error) {
    // Too many aliases that refer to each other.
    return { problems: [{ line: 1, problem: (error as Error).message }] };
  }
}

/** Aliases without an anchor: a name pattern without quotes, such as *-apply, is read as one. */
function openAliases(document: Document.Parsed): { readonly source: string; readonly offset: number | undefined }[] {
  const anchors = new Set<string>();
  const found: { source: string; offset: number | undefined }[] = [];
  visit(document, {
    Node(_key, node) {
      if (!isAlias(node)) anchors.add(node.anchor ?? '');
      else if (!anchors.has(node.source)) found.push({ source: node.source, offset: node.range?.[0] });
    },
  });
  return found;
}

function offsetOf(root: unknown, path: Path): number | undefined {
  let node = root;
  let offset = isNode(root) ? root.range?.[0] : undefined;
  for (const step of path) {
    const key = isMap(node) ? keyNode(node, step) : undefined;
    node = isNode(node) && 'get' in node ? (node as YAMLMap).get(step, true) : undefined;
    offset = (key ?? (isNode(node) ? (node as Node) : undefined))?.range?.[0] ?? offset;
  }
  return offset;
}

function keyNode(map: YAMLMap, step: PropertyKey): Node | undefined {
  const pair = map.items.find(({ key }) => isNode(key) && 'value' in key && key.value === step);
  return isNode(pair?.key) ? pair.key : undefined;
}

/** Objects as `kubectl apply -f -` reads them. */
export const writeYaml = (objects: readonly object[]): string =>
  objects.map((object) => stringify(object, { lineWidth: 0 })).join('---\n');
