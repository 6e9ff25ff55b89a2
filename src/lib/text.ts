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

/** The text of an error about a value of a field: it is missing or invalid. `allowed` continues "must be …". */
export const invalidValue = (value: unknown, allowed: string): string =>
  `${value === undefined ? 'required' : `invalid value ${describeValue(value)}`}: must be ${allowed}`;

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
