/** Scans JSON as bytes before it is parsed. These functions accept invalid JSON, which the parser then refuses. */

export const OPENING_BRACE = 0x7b;
const OPENING_BRACKET = 0x5b;
const CLOSING_BRACKET = 0x5d;
const COMMA = 0x2c;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/**
 * Returns whether JSON has more than about `most` values. Counts the commas and the opening brackets and braces outside
 * of strings.
 */
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
 * The key `managedFields` and the opening bracket of its list, without whitespace, as an API server writes them. In
 * valid JSON these bytes are not part of a string, because a string would contain escaped quotation marks.
 */
const MANAGED_FIELDS = Buffer.from('"managedFields":[');

/**
 * Returns the JSON with an empty list for each `managedFields`. Overwrites the given bytes. Managed fields can be half
 * of an object and are slow to parse, because the parser creates an object for each key. No decision reads them.
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

/**
 * Returns the index of the bracket that closes the list that contains `from`, or the length of the JSON if there is
 * none.
 */
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

/** Returns the index of the quotation mark that closes the string that starts at `from`. */
function endOfText(json: Buffer, from: number): number {
  let at = from + 1;
  while (at < json.length && json[at] !== QUOTE) at += json[at] === BACKSLASH ? 2 : 1;
  return at;
}
