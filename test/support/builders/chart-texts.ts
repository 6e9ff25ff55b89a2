import type { Value } from '../../../tools/chart/values.ts';

/** The schema of a chart value or of a policy field. */
type Schema = Partial<Value>;
type Named = Readonly<Record<string, Schema>>;

/** https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#syntax-and-character-set */
const NAME_IN_MAP = /^([a-z0-9]([-a-z0-9.]*[a-z0-9])?\/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/;

/** Returns whether a schema for strings accepts the text. */
function takes({ pattern, enum: words, minLength = 0, maxLength = Infinity }: Schema, text: string): boolean {
  if (words !== undefined && !(words as readonly unknown[]).includes(text)) return false;
  if (pattern !== undefined && !new RegExp(pattern as string, 'u').test(text)) return false;
  return text.length >= (minLength as number) && text.length <= (maxLength as number);
}

export interface Filling {
  readonly text: string;
  /** The text that `filled` writes into each chart value whose schema accepts `text`. */
  readonly put: string;
}

/**
 * Returns chart values with all features on and the text at each place that accepts it; `undefined` if no place does.
 */
export function filled(schema: Schema, filling: Filling): unknown {
  if (schema.type === 'string') return takes(schema, filling.text) ? filling.put : undefined;
  if (schema.type === 'boolean') return true;
  if (schema.type === 'array') return filledList(schema.items as Schema, filling);
  return schema.type === 'object' ? filledObject(schema, filling) : undefined;
}

function filledList(items: Schema, filling: Filling): unknown {
  const item = filled(items, filling);
  return item === undefined ? undefined : [item];
}

function filledObject(schema: Schema, filling: Filling): unknown {
  const { properties, required = [], then = {} } = schema;
  // The schema of a requirement demands `values` for the first operator, which `least` chooses.
  const needed = [required, (then as Schema).required ?? []].flat() as readonly string[];
  if (properties !== undefined) return filledProperties(properties as Named, needed, filling);
  const value = filled(inMap(schema) ?? { type: 'string' }, filling);
  if (value === undefined) return undefined;
  return { [NAME_IN_MAP.test(filling.text) ? filling.put : 'any']: value };
}

/** Returns the schema of the values of a map; `undefined` if the map accepts anything. */
function inMap({ additionalProperties, patternProperties = {} }: Schema): Schema | undefined {
  const [byPattern] = Object.values(patternProperties as Named);
  return byPattern ?? (typeof additionalProperties === 'object' ? (additionalProperties as Schema) : undefined);
}

function filledProperties(properties: Named, required: readonly string[], filling: Filling): unknown {
  const entries = Object.entries(properties).map(([name, schema]) => {
    const value = filled(schema, filling);
    return [name, value === undefined && required.includes(name) ? least(schema) : value] as const;
  });
  const given = entries.filter(([, value]) => value !== undefined);
  return given.length === 0 ? undefined : Object.fromEntries(given);
}

/** Returns a minimal value for a required field. */
function least({ type, minimum, enum: words, items, minProperties = 0, properties = {} }: Schema): unknown {
  if (Array.isArray(words)) return words[0];
  if (type === 'array') return [least(items as Schema)];
  if (type !== 'object') return type === 'integer' ? minimum : 'a';
  const fields = Object.entries(properties as Named).slice(0, minProperties as number);
  return Object.fromEntries(fields.map(([name, schema]) => [name, least(schema)]));
}

/** A place for a text: its path, with `*` for entries of a map or list, and the schema at that path. */
export interface TextPlace {
  readonly path: string;
  readonly takes: (text: string) => boolean;
}

export function textsOf(schema: Schema, path = ''): readonly TextPlace[] {
  if (schema.type === 'string') return [{ path, takes: (text) => takes(schema, text) }];
  if (schema.type === 'array') return textsOf(schema.items as Schema, `${path}.*`);
  if (schema.properties !== undefined) {
    return Object.entries(schema.properties as Named).flatMap(([name, value]) => textsOf(value, `${path}.${name}`));
  }
  const held = inMap(schema);
  return held === undefined ? [] : textsOf(held, `${path}.*`);
}
