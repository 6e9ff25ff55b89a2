import { PREFIX } from '../certs/secret-annotations.ts';
import { MANAGED_BY_LABEL, type ObjectMetadata } from '../certs/secret-ownership.ts';
import { dnsSubdomain } from '../lib/dns-names.ts';
import type { Parsed } from './option-parsers.ts';

/** https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#syntax-and-character-set */
const NAME = '[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?';
const { pattern: subdomain, longest } = dnsSubdomain();
const KEY = `(${subdomain.source.slice(1, -1)}/)?${NAME}`;

const values = { labels: `(${NAME})?`, annotations: '[^,]*' } as const;

/** The patterns of the options for the chart's schema. They do not check duplicate and reserved keys. */
export const entriesPattern = (kind: keyof ObjectMetadata): string =>
  `^${KEY}=${values[kind]}(,${KEY}=${values[kind]})*$`;

const isReserved = (key: string): boolean => key === MANAGED_BY_LABEL || key.startsWith(`${PREFIX}/`);

/** Returns the parser of a list such as `team=payments,example.com/cost-center=42`. An error names each invalid item. */
export const entries = (kind: keyof ObjectMetadata) => {
  const item = new RegExp(`^${KEY}=${values[kind]}$`);
  return (text: string): Parsed<ObjectMetadata['labels']> => {
    const items = text.split(',').map((one) => [one, one.slice(0, Math.max(one.indexOf('='), 0))] as const);
    const invalid = items.filter(
      ([one, key], nth) =>
        !item.test(one) ||
        isReserved(key) ||
        key.lastIndexOf('/') > longest ||
        items.findIndex(([, other]) => other === key) < nth,
    );
    if (invalid.length === 0)
      return { value: Object.fromEntries(items.map(([one, key]) => [key, one.slice(key.length + 1)])) };
    const without = invalid.map(([one]) => JSON.stringify(one)).join(', ');
    return {
      allowed: `a list, separated by commas, of ${kind} <key>=<value> as Kubernetes accepts them, each key once, and no key of the daemon (${MANAGED_BY_LABEL}, ${PREFIX}/…): without ${without}`,
    };
  };
};
