import { describeValue } from '../../lib/text.ts';

/** What a field may hold. One that is not there is fine, unless it is needed. */
type Shape =
  | 'text'
  | 'number'
  | 'boolean'
  | { readonly needed: Shape }
  | { readonly list: Shape }
  | { readonly map: Shape }
  | { readonly fields: Readonly<Record<string, Shape>> };

const labels: Shape = { map: 'text' };
const selector: Shape = {
  fields: {
    matchLabels: labels,
    matchExpressions: { list: { fields: { key: 'text', operator: 'text', values: { list: 'text' } } } },
  },
};
const metadata: Shape = {
  fields: {
    ...{ name: 'text', namespace: 'text', uid: 'text', resourceVersion: 'text', labels },
    annotations: { map: 'text' },
    managedFields: { list: { fields: { manager: 'text' } } },
  },
};
const service: Shape = { fields: { namespace: 'text', name: 'text', port: 'number', path: 'text' } };

/** The fields that are read of each kind. The API server holds them so; a file may say anything. */
const shapes = {
  Secret: { fields: { metadata, type: 'text', immutable: 'boolean', data: { map: 'text' } } },
  MutatingWebhookConfiguration: {
    fields: {
      metadata,
      webhooks: {
        list: {
          fields: {
            clientConfig: { needed: { fields: { url: 'text', caBundle: 'text', service } } },
            ...{ name: { needed: 'text' }, failurePolicy: 'text', timeoutSeconds: 'number' },
            matchConditions: { list: { fields: { name: { needed: 'text' }, expression: { needed: 'text' } } } },
            ...{ namespaceSelector: selector, objectSelector: selector },
          },
        },
      },
    },
  },
} as const satisfies Record<string, Shape>;

/** The first field of an object that does not hold what is read of it: what was found, and what is allowed. */
export function shapeProblem(kind: keyof typeof shapes, object: unknown): string | undefined {
  return problemAt(kind, object, shapes[kind]);
}

function problemAt(path: string, value: unknown, shape: Shape): string | undefined {
  if (isNeeded(shape)) {
    return value === undefined ? wrong(path, value, shape.needed) : problemAt(path, value, shape.needed);
  }
  if (value === undefined) return undefined;
  if (!isOf(value, shape)) return wrong(path, value, shape);
  for (const part of partsOf(path, value, shape)) {
    const problem = problemAt(...part);
    if (problem !== undefined) return problem;
  }
  return undefined;
}

const isNeeded = (shape: Shape): shape is { readonly needed: Shape } => typeof shape === 'object' && 'needed' in shape;

const wrong = (path: string, value: unknown, shape: Shape): string =>
  `${path}: found ${describeValue(value)}; allowed is ${nameOf(shape)}`;

function isOf(value: unknown, shape: Shape): boolean {
  if (typeof shape === 'string') return typeof value === (shape === 'text' ? 'string' : shape);
  return typeof value === 'object' && value !== null && Array.isArray(value) === 'list' in shape;
}

const nameOf = (shape: Shape): string =>
  typeof shape === 'string' ? `a ${shape}` : 'list' in shape ? 'a list' : 'an object';

function partsOf(path: string, value: unknown, shape: Shape): [path: string, value: unknown, shape: Shape][] {
  if (typeof shape === 'string') return [];
  const own = (name: string) => (value as Record<string, unknown>)[name];
  if ('fields' in shape) return Object.entries(shape.fields).map(([name, one]) => [`${path}.${name}`, own(name), one]);
  const one = 'list' in shape ? shape.list : 'map' in shape ? shape.map : shape.needed;
  return Object.keys(value as object).map((name) => [
    `${path}[${'list' in shape ? name : describeValue(name)}]`,
    own(name) ?? null,
    one,
  ]);
}
