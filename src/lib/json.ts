/** A JSON object whose fields have not been checked. */
export type JsonObject = { readonly [field: string]: unknown };

export const isObject = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Returns the value, or an empty object if the value is no JSON object. */
export const asObject = (value: unknown): JsonObject => (isObject(value) ? value : {});
