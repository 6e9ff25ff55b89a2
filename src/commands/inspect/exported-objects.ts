import type { V1MutatingWebhookConfiguration, V1Secret } from '@kubernetes/client-node';
import type { RawOptions } from '../../cli/config.ts';
import { options } from '../../cli/options.ts';
import { describeValue } from '../../lib/text.ts';
import { shapeProblem } from './exported-shape.ts';

/** The two objects of the daemon as somebody has exported them. */
export interface Exported {
  readonly secret: V1Secret | undefined;
  readonly registration: V1MutatingWebhookConfiguration | undefined;
}

interface Named {
  readonly kind?: string;
  readonly metadata?: { readonly name?: string; readonly namespace?: string };
  readonly items?: readonly Named[];
}

/** The texts between the lines that part YAML documents; what is empty is left out. */
export const documents = (text: string): string[] =>
  text.split(/^---[ \t]*\r?$/m).filter((part) => part.replaceAll(/^\s*#.*$/gm, '').trim() !== '');

/**
 * Finds the objects that the options name among those of a file, also in lists. Throws where a field of one holds what
 * no API server would have let in.
 */
export function pickObjects(objects: readonly unknown[], raw: RawOptions): Exported {
  const all = objects.flatMap((object) => flattened(object as Named));
  const find = (kind: string, name: string, namespace?: string) =>
    all.find(
      (object) =>
        object.kind === kind &&
        object.metadata?.name === name &&
        (namespace === undefined || (object.metadata?.namespace ?? namespace) === namespace),
    );
  const secret = find('Secret', raw['secret-name'] || options['secret-name'].default, raw.namespace || undefined);
  const problem = secret && namespaceProblem(secret);
  if (problem !== undefined) throw new Error(problem);
  const name = raw['webhook-configuration-name'] || options['webhook-configuration-name'].default;
  return {
    secret: checked('Secret', secret && withTextAnnotations(secret as V1Secret)),
    registration: checked(
      'MutatingWebhookConfiguration',
      find('MutatingWebhookConfiguration', name) as V1MutatingWebhookConfiguration | undefined,
    ),
  };
}

function namespaceProblem({ metadata }: Named): string | undefined {
  const namespace = metadata?.namespace;
  const parsed = typeof namespace === 'string' ? options.namespace.parse(namespace) : undefined;
  if (parsed === undefined || 'value' in parsed) return undefined;
  return `Secret.metadata.namespace: found ${describeValue(namespace)}; allowed is ${parsed.allowed}`;
}

function checked<T>(kind: Parameters<typeof shapeProblem>[0], object: T | undefined): T | undefined {
  const said = object && JSON.parse(JSON.stringify(object), withoutNull);
  const problem = shapeProblem(kind, said);
  if (problem !== undefined) throw new Error(problem);
  return said;
}

const flattened = (object: Named | null): Named[] =>
  String(object?.kind).endsWith('List') ? listed(object?.items) : object ? [object] : [];

const listed = (items: unknown): Named[] => (Array.isArray(items) ? items.flatMap(flattened) : []);

/** YAML reads `true` and dates without quotes as something else than text; the API server takes text alone. */
function withTextAnnotations(secret: V1Secret): V1Secret {
  const text = (value: unknown) => (value instanceof Date ? value.toISOString() : String(value));
  const annotations = Object.entries(secret.metadata?.annotations ?? {}).map(([key, value]) => [key, text(value)]);
  return { ...secret, metadata: { ...secret.metadata, annotations: Object.fromEntries(annotations) } };
}

/** A field that is null counts as not said, for the API server as well. For `JSON.parse`. */
function withoutNull(this: unknown, _name: string, value: unknown): unknown {
  return value === null && !Array.isArray(this) ? undefined : value;
}
