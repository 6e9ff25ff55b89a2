/** What can be done to JSON while it is bytes. What is no JSON is for the parser to say: here it comes to no harm. */

export const OPENING_BRACE = 0x7b;
const OPENING_BRACKET = 0x5b;
const CLOSING_BRACKET = 0x5d;
const COMMA = 0x2c;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/** Whether JSON holds more values than that, by what begins or parts them. */
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
 * As an API server writes it, without blanks. In valid JSON it is a key and the beginning of its list wherever it stands: the
 * quotation mark that ends it would have a backslash before it within a text.
 */
const MANAGED_FIELDS = Buffer.from('"managedFields":[');

/**
 * The same JSON with an empty list for each `managedFields`, written into the same memory. Who manages which field is half
 * of what an API server sends of an object, nobody here reads it, and the parser would make an object of each of its keys.
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

/** Where the bracket stands that ends the list which holds what is at `from`; the end of the JSON where none does. */
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

/** Where the quotation mark stands that ends the text which begins at another one. */
function endOfText(json: Buffer, from: number): number {
  let at = from + 1;
  while (at < json.length && json[at] !== QUOTE) at += json[at] === BACKSLASH ? 2 : 1;
  return at;
}
