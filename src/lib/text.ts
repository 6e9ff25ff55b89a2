/** Maximum length of a value in an error message: enough to recognize the value, and short enough for one line. */
const LONGEST_VALUE = 80;
/** Maximum length of a text in a log field. The longest name that Kubernetes accepts has 253 characters. */
const LONGEST_FIELD = 256;

/**
 * Returns a short description of a value on one line, for an error message. Contains at most the beginning of a string,
 * and no items of a list or fields of an object.
 */
export function describeValue(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (typeof value === 'string') return JSON.stringify(value.slice(0, LONGEST_VALUE));
  if (Array.isArray(value)) return value.length === 0 ? 'an empty list' : 'a list';
  if (typeof value !== 'object' || value === null) return String(value);
  for (const _field in value) return 'an object';
  return 'an empty object';
}

/**
 * Returns the text of an error about a missing or invalid field, for example `invalid value "x": must be a number`.
 * `allowed` is the text after "must be".
 */
export const invalidValue = (value: unknown, allowed: string): string =>
  `${value === undefined ? 'required' : `invalid value ${describeValue(value)}`}: must be ${allowed}`;

/**
 * Returns the beginning of a text. A text in an admission request can be long, because the API server checks most
 * lengths only after admission.
 */
export const truncate = (text: string, most = LONGEST_FIELD): string => text.slice(0, most);

/** Returns the fields of a log line with each long text truncated. */
export const truncateFields = (fields: { readonly [name: string]: unknown }): object =>
  Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [name, typeof value === 'string' ? truncate(value) : value]),
  );

/**
 * Replaces each control character and invisible character of a text by its JSON escape, because a terminal would obey
 * or hide it. Line feeds stay. A JSON text keeps its meaning.
 */
export const printable = (text: string): string =>
  text.replaceAll(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu, (character) =>
    character === '\n' ? character : character.split('').map(unicodeEscape).join(''),
  );

const unicodeEscape = (unit: string): string => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`;

/** Quotes a text for a shell if needed, because the text can come from a live object, which can contain any characters. */
export const shellWord = (text: string): string =>
  /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;

/** Returns a printable text on one line, with each run of white space as one space. */
export const oneLine = (text: string): string => printable(text.replaceAll(/\s+/g, ' ')).trim();
