/** A JSON object whose fields have not been checked. */
export type JsonObject = { readonly [field: string]: unknown };

export const isObject = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Returns the value, or an empty object if the value is no JSON object. */
export const asObject = (value: unknown): JsonObject => (isObject(value) ? value : {});

/** Returns the elements of a list as objects, or none if the value is no list. */
export const objectsIn = (value: unknown): JsonObject[] => (Array.isArray(value) ? value.map(asObject) : []);

/** Returns a count of a Kubernetes object. The API server omits a count of 0. */
export const countOf = (value: unknown): number => (typeof value === 'number' ? value : 0);
