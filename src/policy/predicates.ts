import type { JsonObject } from '../lib/json.ts';
import type { Labels } from './policy.ts';

/** The checks of a policy, each as a function and as CEL. A test compares each pair on a real API server. */

/**
 * Returns whether a text matches a pattern. `*` matches any text, also an empty one; no other character is special. The
 * search does not backtrack, because a name can have megabytes: the endpoint gets it before the API server validates
 * it.
 */
export function matchesPattern(pattern: string, text: string): boolean {
  const [first = '', ...rest] = pattern.split('*');
  const last = rest.pop();
  if (last === undefined) return text === first;
  if (text.length < first.length + last.length || !text.startsWith(first) || !text.endsWith(last)) return false;
  const end = text.length - last.length;
  let from = first.length;
  for (const part of rest) {
    const at = text.indexOf(part, from);
    if (at < 0 || at + part.length > end) return false;
    from = at + part.length;
  }
  return true;
}

/** Returns a CEL expression that holds if one of the patterns matches the text. */
export function anyPatternCel(patterns: readonly string[], text: string): string {
  const names = patterns.filter((pattern) => !pattern.includes('*'));
  const list = names.length > 0 ? [`${text} in [${names.map(celString).join(', ')}]`] : [];
  const others = patterns.filter((pattern) => pattern.includes('*')).map((pattern) => patternCel(pattern, text));
  return `(${[...list, ...others].join(' || ')})`;
}

export function patternCel(pattern: string, text: string): string {
  const parts = pattern.split('*');
  const [first = '', last = ''] = parts;
  if (parts.length === 1) return `${text} == ${celString(pattern)}`;
  if (parts.every((part) => part === '')) return 'true';
  if (parts.length === 2 && first === '') return `${text}.endsWith(${celString(last)})`;
  if (parts.length === 2 && last === '') return `${text}.startsWith(${celString(first)})`;
  const escaped = parts.map((part) => part.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&'));
  // With `(?s)`, "." also matches a newline in RE2.
  return `${text}.matches(${celString(`(?s)^${escaped.join('.*')}$`)})`;
}

/**
 * Returns whether the labels have all wanted entries. Reads own properties only, because a label can have the name
 * "constructor".
 */
export const hasEntries = (labels: JsonObject | Labels, wanted: Labels): boolean =>
  Object.entries(wanted).every(([name, value]) => Object.hasOwn(labels, name) && labels[name] === value);

export function hasEntriesCel(map: string, labels: Labels): string {
  const each = Object.entries(labels).map(
    ([name, value]) => `${celString(name)} in ${map} && ${map}[${celString(name)}] == ${celString(value)}`,
  );
  return [`has(${map})`, ...each].join(' && ');
}

/**
 * Returns a text as a CEL string literal. Escapes quotes, backslashes and control characters.
 *
 * @see https://github.com/google/cel-spec/blob/master/doc/langdef.md#string-and-bytes-values
 */
export function celString(text: string): string {
  const escaped = text
    .replace(/[\\']/g, '\\$&')
    // biome-ignore lint/suspicious/noControlCharactersInRegex: a one-line CEL literal must have no control characters
    .replace(/[\u0000-\u001f\u007f]/g, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`);
  return `'${escaped}'`;
}
