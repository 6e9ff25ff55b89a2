/** The longest text in an error message: enough to recognize a value, and short enough for a line. */
const LONGEST_VALUE = 80;
/** Longer than any name that Kubernetes accepts. */
const LONGEST_FIELD = 256;

/** A value in an error message: short, on one line, and cheap however large the value is. */
export function describeValue(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (typeof value === 'string') return JSON.stringify(value.slice(0, LONGEST_VALUE));
  if (Array.isArray(value)) return value.length === 0 ? 'an empty list' : 'a list';
  if (typeof value !== 'object' || value === null) return String(value);
  for (const _field in value) return 'an object';
  return 'an empty object';
}

/** The beginning of a text that a client wrote. The API server checks most lengths only after admission. */
export const truncate = (text: string, most = LONGEST_FIELD): string => text.slice(0, most);

/** The fields of a log line, with long texts truncated. */
export const truncateFields = (fields: { readonly [name: string]: unknown }): object =>
  Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [name, typeof value === 'string' ? truncate(value) : value]),
  );

/**
 * A text with a JSON escape in place of each character that a terminal obeys or hides. Line breaks stay, and JSON keeps its
 * meaning.
 */
export const printable = (text: string): string =>
  text.replaceAll(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu, (character) =>
    character === '\n' ? character : character.split('').map(unicodeEscape).join(''),
  );

const unicodeEscape = (unit: string): string => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`;

/** A printable text without line breaks. */
export const oneLine = (text: string): string => printable(text.replaceAll(/\s+/g, ' ')).trim();

/** The word that was probably meant; `undefined` if no word is similar. */
export function closestMatch(word: string, words: readonly string[]): string | undefined {
  const [best] = words
    .map((candidate) => ({ candidate, distance: distance(word.toLowerCase(), candidate.toLowerCase()) }))
    .sort((a, b) => a.distance - b.distance);
  return best !== undefined && best.distance <= Math.ceil(best.candidate.length / 3) ? best.candidate : undefined;
}

/** The Levenshtein distance: how many characters must be inserted, deleted or changed. */
function distance(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, index) => index);
  for (const [line, letter] of [...from.slice(0, LONGEST_VALUE)].entries()) {
    const next = [line + 1];
    for (let column = 1; column <= to.length; column += 1) {
      const change = (row[column - 1] ?? 0) + (letter === to[column - 1] ? 0 : 1);
      next.push(Math.min(change, (row[column] ?? 0) + 1, (next[column - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row.at(-1) ?? 0;
}
