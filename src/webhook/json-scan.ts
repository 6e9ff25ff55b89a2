/** Scans JSON as bytes, before it is parsed. Invalid JSON does no harm here: the parser refuses it. */

export const OPENING_BRACE = 0x7b;
const OPENING_BRACKET = 0x5b;
const CLOSING_BRACKET = 0x5d;
const COMMA = 0x2c;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/** Returns whether JSON has more than `most` values. Counts the commas and the opening brackets and braces outside of texts. */
export function hasMoreValues(json: Buffer, most: number): boolean {
  if (json.length <= most) return false;
  let count = 0;
  for (let at = 0; at < json.length && count <= most; at += 1) {
    if (json[at] === QUOTE) at = endOfText(json, at);
    else if (isOfValue(json[at])) count += 1;
  }
  return count > most;
}

const isOfValue = (byte = 0): boolean => byte === COMMA || byte === OPENING_BRACE || byte === OPENING_BRACKET;

/**
 * As an API server writes it, without whitespace. In valid JSON these bytes are always a key and the start of its
 * list: within a text the quotation marks would be escaped.
 */
const MANAGED_FIELDS = Buffer.from('"managedFields":[');

/**
 * Returns the JSON with an empty list for each `managedFields`. Overwrites the given bytes. An API server sends half
 * of an object as managed fields, no decision reads them, and the parser would create an object for each key.
 *
 * @see https://kubernetes.io/docs/reference/using-api/server-side-apply/#managers
 */
export function withoutManagedFields(json: Buffer): Buffer {
  let [kept, from] = [0, 0];
  for (let at = json.indexOf(MANAGED_FIELDS); at !== -1; at = json.indexOf(MANAGED_FIELDS, from)) {
    const list = at + MANAGED_FIELDS.length;
    json.copyWithin(kept, from, list);
    kept += list - from;
    from = endOfList(json, list);
  }
  if (from === 0) return json;
  json.copyWithin(kept, from);
  return json.subarray(0, kept + json.length - from);
}

/** Returns the index of the bracket that closes the list around `from`, or the length of the JSON if there is none. */
function endOfList(json: Buffer, from: number): number {
  let depth = 1;
  for (let at = from; at < json.length; at += 1) {
    const byte = json[at];
    if (byte === QUOTE) at = endOfText(json, at);
    else if (byte === OPENING_BRACKET) depth += 1;
    else if (byte === CLOSING_BRACKET) depth -= 1;
    if (depth === 0) return at;
  }
  return json.length;
}

/** Returns the index of the quotation mark that closes the text which opens at `from`. */
function endOfText(json: Buffer, from: number): number {
  let at = from + 1;
  while (at < json.length && json[at] !== QUOTE) at += json[at] === BACKSLASH ? 2 : 1;
  return at;
}
