import { isAlias, isCollection, isMap, isNode, isScalar, LineCounter, parseDocument, stringify, visit } from 'yaml';

export type Path = readonly PropertyKey[];

/** The value of a text in YAML or JSON, and the lines of its parts. */
export interface YamlText {
  readonly value: unknown;
  /** The line (from 1) of the field or list item at a path; if there is none, of its nearest parent. */
  lineOf(path: Path): number;
}

/** A syntax problem of a YAML text, and its line. */
export interface YamlProblem {
  readonly line: number;
  readonly problem: string;
}

/** Reads one document of YAML 1.2, which includes JSON. A duplicate field is a problem. */
export function readYaml(text: string): YamlText | { readonly problems: readonly YamlProblem[] } {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, logLevel: 'error' });
  const lineAt = (offset = 0) => lines.linePos(offset).line;
  const problems = document.errors.map(({ code, message, pos }) => ({
    line: lineAt(pos[0]),
    problem: code === 'MULTIPLE_DOCS' ? 'a second document begins: must be one document' : message,
  }));
  const anchors = new Set<string>();
  visit(document, {
    Node(_key, node) {
      if (!isAlias(node)) anchors.add(node.anchor ?? '');
      if (!isAlias(node) || anchors.has(node.source)) return;
      // A name pattern without quotes, such as *-apply, is read as an alias.
      const problem = `unknown alias *${node.source}: quote a string that begins with *`;
      problems.push({ line: lineAt(node.range?.[0]), problem });
    },
  });
  // Report a field `__proto__` as a problem, because code that copies objects would silently drop it.
  const proto = /(?<![\w.-])__proto__["']?\s*:/.exec(text);
  if (proto) problems.push({ line: lineAt(proto.index), problem: 'unknown field __proto__' });
  if (problems.length > 0) return { problems };
  try {
    const value = document.contents === null ? undefined : document.toJS();
    return { value, lineOf: (path) => lineAt(offsetOf(document.contents, path)) };
  } catch (error) {
    // The YAML library throws if aliases expand to too many nodes.
    return { problems: [{ line: 1, problem: (error as Error).message }] };
  }
}

function offsetOf(root: unknown, path: Path): number | undefined {
  let node = root;
  let offset = isNode(root) ? root.range?.[0] : undefined;
  for (const step of path) {
    const pair = isMap(node) ? node.items.find(({ key }) => isScalar(key) && key.value === step) : undefined;
    node = isCollection(node) ? node.get(step, true) : undefined;
    const place = pair?.key ?? node;
    if (isNode(place)) offset = place.range?.[0] ?? offset;
  }
  return offset;
}

/** Returns the objects as YAML documents for `kubectl apply -f -`. */
export const writeYaml = (objects: readonly object[]): string =>
  objects.map((object) => stringify(object, { lineWidth: 0 })).join('---\n');
