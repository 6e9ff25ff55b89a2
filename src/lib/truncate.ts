/** Longer than any name that Kubernetes takes, and short enough for a line. */
const LINE_CHARACTERS = 256;

/** A text that a client wrote, as much of it as is told: the API server looks at most values only after admission. */
export const shortened = (text: string, most = LINE_CHARACTERS): string => text.slice(0, most);

/** The fields of a log line, with what a client wrote in them shortened. */
export function shortenedFields(fields: { readonly [name: string]: unknown }): object {
  const short: Record<string, unknown> = {};
  for (const name in fields) {
    const value = fields[name];
    short[name] = typeof value === 'string' && value.length > LINE_CHARACTERS ? shortened(value) : value;
  }
  return short;
}
