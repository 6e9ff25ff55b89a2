import type { Subject, SubjectAttribute } from '../certs/certificate-set.ts';
import type { Parsed } from './option-parsers.ts';

/**
 * A backslash escape (RFC 4514 §2.4): of a special character, or of a UTF-8 byte in hexadecimal. ASCII control
 * characters are not allowed.
 */
const ESCAPE = '\\\\(?:[ "#+,;<=>\\\\]|[2-689A-Fa-f][0-9A-Fa-f]|7[0-9A-Ea-e])';
const SPECIAL = '\\x00-\\x1f\\x7f"+,;<>\\\\';
const FIRST = `(?:[^ #${SPECIAL}]|${ESCAPE})`;
const MIDDLE = `(?:[^${SPECIAL}]|${ESCAPE})`;
const LAST = `(?:[^ ${SPECIAL}]|${ESCAPE})`;

const characters = (most: number) => ({
  pattern: `${FIRST}(?:${MIDDLE}{0,${most - 2}}${LAST})?`,
  allowed: `1 to ${most} printable characters, with a backslash before each of , + " \\ < > ; and before a space or # at an end`,
});

/**
 * Pattern and description of the value of each attribute. The maximum lengths are from X.520 (RFC 5280 appendix A.1).
 */
const values: Readonly<Record<SubjectAttribute['type'], { readonly pattern: string; readonly allowed: string }>> = {
  CN: characters(64),
  OU: characters(64),
  O: characters(64),
  L: characters(128),
  ST: characters(128),
  C: { pattern: '[A-Z]{2}', allowed: 'two capital letters (ISO 3166)' },
};
const types = Object.keys(values) as SubjectAttribute['type'][];

const ATTRIBUTE = `(?:${types.map((type) => `${type}=${values[type].pattern}`).join('|')})`;

/** The pattern of `distinguishedName` for the chart's schema. The pattern does not check that escaped bytes are UTF-8. */
export const DISTINGUISHED_NAME_PATTERN = `^${ATTRIBUTE}(?:, ?${ATTRIBUTE})*$`;

/** Matches a comma that is not escaped: an even number of backslashes comes before it. */
const SEPARATOR = /(?<=(?:^|[^\\])(?:\\\\)*), ?/;

/**
 * Parses a distinguished name in the string form of RFC 4514, which lists the attributes in the reverse order of the
 * certificate. Multi-valued attributes (`+`) and hexadecimal values (`#…`) are not supported.
 */
export function distinguishedName(text: string): Parsed<Subject> {
  const subject: SubjectAttribute[] = [];
  for (const part of text.split(SEPARATOR)) {
    const [, name, escaped = ''] = /^([^=]*)=?(.*)$/s.exec(part) ?? [];
    const type = types.find((one) => one === name);
    if (type === undefined) {
      return {
        allowed: `a list of the attributes ${types.join(', ')}, such as CN=a,O=b,C=US (RFC 4514), without ${JSON.stringify(name)}`,
      };
    }
    const value = new RegExp(`^${values[type].pattern}$`, 'u').test(escaped) ? unescaped(escaped) : undefined;
    if (value === undefined) return { allowed: `a distinguished name whose ${type} is ${values[type].allowed}` };
    subject.unshift({ type, value });
  }
  return { value: subject };
}

/** Returns the text without its backslash escapes, or `undefined` if the escaped bytes are not UTF-8. */
function unescaped(text: string): string | undefined {
  const encoded = text.replace(/\\([0-9A-F]{2})|\\?(.)/giu, (_, byte, character) =>
    byte === undefined ? encodeURIComponent(character) : `%${byte}`,
  );
  try {
    return decodeURIComponent(encoded);
  } catch {
    return undefined;
  }
}
