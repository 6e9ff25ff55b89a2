import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { parseSync } from '@swc/core';
import { readDocument } from '../../support/docs.ts';

/** A node of the syntax tree, or an array of nodes. */
type Node = Record<string, unknown> & { readonly type?: string };

interface Message {
  readonly levels: Set<string>;
  /** `…` stands for fields that the syntax tree does not show. */
  readonly fields: Set<string>;
}

/** `failed` logs the first failure of an outage as a warning. */
const levels: Readonly<Record<string, string>> = {
  error: 'error',
  warn: 'warn',
  info: 'info',
  debug: 'debug',
  failed: 'warn',
};
/** Names of the objects whose methods write log lines. The methods are the keys of `levels`. */
const logs = /^(log|once|outages?)$/;
/** Functions that return log fields. */
const knownFields: Readonly<Record<string, readonly string[]>> = { errorFields: ['code', 'error', 'stack'] };
/**
 * Log fields that a wrapper adds, by file. In src/webhook/app.ts, `warn` is the result of `warnQuietly`, which adds
 * `count`.
 */
const wrapperFields: Readonly<Record<string, readonly string[]>> = { 'src/webhook/app.ts': ['count'] };
/** Files that log a message that their caller gives. */
const forwarders = new Set(['src/kube/watch.ts', 'src/webhook/refused-connections.ts']);

function* nodesIn(value: unknown): Generator<Node> {
  if (typeof value !== 'object' || value === null) return;
  if ('type' in value) yield value as Node;
  for (const child of Object.values(value)) yield* nodesIn(child);
}

const child = (node: Node, name: string): Node => (node[name] ?? {}) as Node;
const children = (node: Node, name: string): Node[] => (node[name] ?? []) as Node[];
const nameOf = (node: Node): string =>
  String(node.type === 'MemberExpression' ? nameOf(child(node, 'property')) : node.value);
const bare = (node: Node): Node =>
  /^(TsConstAssertion|TsAsExpression|TsSatisfiesExpression|ParenthesisExpression)$/.test(`${node.type}`)
    ? bare(child(node, 'expression'))
    : node;

/**
 * Returns each text that an expression can have. `constants` has the constants of the file by name. Returns no text if
 * the syntax tree does not show one.
 */
function textsOf(expression: Node, constants: ReadonlyMap<string, Node>): string[] {
  const node = bare(expression);
  if (node.type === 'StringLiteral') return [`${node.value}`];
  if (node.type === 'ConditionalExpression')
    return ['consequent', 'alternate'].flatMap((branch) => textsOf(child(node, branch), constants));
  if (node.type === 'MemberExpression') return textsOf(child(node, 'object'), constants);
  if (node.type === 'ObjectExpression')
    return children(node, 'properties').flatMap((property) => textsOf(child(property, 'value'), constants));
  const constant = node.type === 'Identifier' ? constants.get(nameOf(node)) : undefined;
  return constant ? textsOf(constant, constants) : [];
}

/** Returns the field names of an object expression, and `…` for fields that the syntax tree does not show. */
function fieldsOf(expression: Node, constants: ReadonlyMap<string, Node>): readonly string[] {
  const node = bare(expression);
  if (node.type === 'ObjectExpression') {
    return children(node, 'properties').flatMap((property) => {
      if (property.type === 'SpreadElement') return fieldsOf(child(property, 'arguments'), constants);
      return [nameOf(property.type === 'Identifier' ? property : child(property, 'key'))];
    });
  }
  if (node.type === 'ConditionalExpression')
    return ['consequent', 'alternate'].flatMap((branch) => fieldsOf(child(node, branch), constants));
  if (node.type === 'CallExpression') {
    const name = nameOf(child(node, 'callee'));
    if (name === 'truncateFields')
      return fieldsOf(child(children(node, 'arguments')[0] ?? {}, 'expression'), constants);
    return knownFields[name] ?? ['…'];
  }
  const constant = node.type === 'Identifier' ? constants.get(nameOf(node)) : undefined;
  return constant ? fieldsOf(constant, constants) : ['…'];
}

/**
 * Returns level, message and fields if the node is a call such as `log.info(…)`, or a property `warning: …`, whose level
 * is `warn`; otherwise `undefined`.
 */
function logged(node: Node): readonly [level: string, message: Node, fields: Node | undefined] | undefined {
  if (node.type === 'KeyValueProperty' && nameOf(child(node, 'key')) === 'warning')
    return ['warn', child(node, 'value'), { type: 'Unknown' }];
  if (node.type !== 'CallExpression') return undefined;
  const callee = child(node, 'callee');
  const level = levels[nameOf(callee)];
  const isLog = callee.type === 'Identifier' || logs.test(nameOf(child(callee, 'object')));
  if (level === undefined || !isLog) return undefined;
  const [message, fields] = children(node, 'arguments').map((argument) => child(argument, 'expression'));
  return message && [level, message, fields];
}

/** Returns the fields that the wrapper of a log adds to a call. */
function wrapperFieldsOf(call: Node, file: string): readonly string[] {
  const callee = child(call, 'callee');
  const isWrapper = callee.type === 'Identifier' && nameOf(callee) === 'warn';
  return (isWrapper && wrapperFields[file]) || [];
}

/** Returns each text that a file logs, with its level and its fields. */
function* callsIn(file: string): Generator<readonly [text: string, level: string, fields: readonly string[]]> {
  const nodes = [...nodesIn(parseSync(readFileSync(file, 'utf8'), { syntax: 'typescript' }))];
  const constants = new Map<string, Node>();
  const declare = (node: Node): void => {
    if (node.type === 'VariableDeclarator' && node.init) constants.set(nameOf(child(node, 'id')), child(node, 'init'));
  };
  nodes.forEach(declare);
  for (const node of nodes) {
    // Two functions may have constants of the same name: the nearest one above the call counts.
    declare(node);
    const [level, message, fields] = logged(node) ?? [];
    if (level === undefined || message === undefined) continue;
    const texts = textsOf(message, constants);
    assert.ok(texts.length > 0 || forwarders.has(file), `${file}: a log message is not a constant`);
    for (const text of texts)
      yield [text, level, [...(fields ? fieldsOf(fields, constants) : []), ...wrapperFieldsOf(node, file)]];
  }
}

function messagesInCode(): ReadonlyMap<string, Message> {
  const messages = new Map<string, Message>();
  for (const [text, level, fields] of globSync('src/**/*.ts').flatMap((file) => [...callsIn(file)])) {
    const message = messages.get(text) ?? { levels: new Set(), fields: new Set() };
    messages.set(text, message);
    message.levels.add(level);
    for (const field of fields) message.fields.add(field);
  }
  return messages;
}

test('docs/reference/log-messages.md has every log message of src with its level and fields, and no other', async () => {
  const rows = [
    ...(await readDocument('docs/reference/log-messages.md')).matchAll(/^\| `([^`]+)` \| (\w+) \| (.*?) \| \S/gm),
  ];
  const code = messagesInCode();
  assert.deepEqual(
    rows.map(([, message]) => message),
    [...code.keys()].sort(),
  );
  for (const [, message = '', level, cell = ''] of rows) {
    const written = [...cell.matchAll(/`([^`]+)`/g)].map(([, field = '']) => field);
    const { levels = new Set(), fields = new Set<string>() } = code.get(message) ?? {};
    const shown = fields.delete('…') ? written.filter((field) => fields.has(field)) : written;
    assert.deepEqual([level, shown.sort()], [[...levels].join(), [...fields].sort()], message);
  }
});
