import { isIP } from 'node:net';
import { dnsLabel, dnsSubdomain, type TextRule } from '../lib/dns-names.ts';
import { cipherSuiteNames, parseCipherSuites } from '../webhook/cipher-suites.ts';
import { parseDuration } from './durations.ts';

/** The parsed value, or the description of the allowed values, which ends the error text `must be <allowed>`. */
export type Parsed<T> = { readonly value: T } | { readonly allowed: string };

export const integer =
  (what: string, low: number, high: number) =>
  (text: string): Parsed<number> => {
    const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
    return value >= low && value <= high ? { value } : { allowed: `${what} from ${low} to ${high}` };
  };

/** Parses the text of an option. Shells propose the `choices`. */
export interface Parser<T> {
  (text: string): Parsed<T>;
  readonly choices?: readonly string[];
}

const withChoices = <T>(choices: readonly string[], parse: (text: string) => Parsed<T>): Parser<T> =>
  Object.assign(parse, { choices });

export const oneOf = <const T extends string>(...words: readonly T[]): Parser<T> => {
  const parse = (text: string): Parsed<T> => {
    const value = words.find((word) => word === text);
    return value === undefined ? { allowed: `one of ${words.join(', ')}` } : { value };
  };
  return withChoices(words, parse);
};

export const duration =
  (shortest: string, longest: string) =>
  (text: string): Parsed<number> => {
    const value = parseDuration(text);
    const isWithin =
      value !== undefined && value >= (parseDuration(shortest) ?? 0) && value <= (parseDuration(longest) ?? 0);
    return isWithin
      ? { value }
      : { allowed: `a duration from ${shortest} to ${longest}, written like 87600h, 90m or 60s` };
  };

export const matching =
  ({ pattern, longest, allowed }: TextRule) =>
  (text: string): Parsed<string> =>
    pattern.test(text) && text.length <= longest ? { value: text } : { allowed };

export const label = matching(dnsLabel);
/** Parses a list of namespaces, and drops repeated ones. An error names each invalid item. */
export const namespaces = (text: string): Parsed<readonly string[]> => {
  const value = [...new Set(text.split(','))];
  const invalid = value.filter((name) => !('value' in label(name)));
  const without = invalid.map((name) => JSON.stringify(name)).join(', ');
  return invalid.length === 0
    ? { value }
    : { allowed: `a list, separated by commas, of namespaces, each ${dnsLabel.allowed}: without ${without}` };
};
export const serviceLabel = matching({
  pattern: /^[a-z]([-a-z0-9]*[a-z0-9])?$/,
  longest: 63,
  allowed: 'a Service name: at most 63 of a-z, 0-9 and "-", a letter first',
});
export const subdomain = matching(dnsSubdomain());
/**
 * Parses the name of the webhook configuration: at most 244 characters, because the Lease has this name with the suffix
 * `-backstop`, and Kubernetes allows names of up to 253 characters.
 */
export const registrationName = matching(dnsSubdomain(244));

export const text = (text: string): Parsed<string> => ({ value: text });

export const boolean = withChoices<boolean>(['true', 'false'], (text) =>
  text === 'true' || text === 'false' ? { value: text === 'true' } : { allowed: 'true or false' },
);

export const address = (text: string): Parsed<string> =>
  isIP(text) === 0 ? { allowed: 'an IP address such as 127.0.0.1 or ::' } : { value: text };

/** Returns the host of a URL without the brackets around an IPv6 address. */
export const hostOf = (url: URL): string => url.hostname.replace(/^\[|\]$/g, '');

/**
 * Parses the URL at which API servers call the webhook. The rules of Kubernetes for this URL:
 * https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/#url
 */
export const webhookUrl = (text: string): Parsed<URL> => {
  const url = URL.parse(text);
  const isPlain = url !== null && url.protocol === 'https:' && url.username === '' && url.password === '';
  const host = url === null ? '' : hostOf(url);
  const isHost = isIP(host) !== 0 || 'value' in subdomain(host);
  return isPlain && isHost && url.port !== '0' && !text.includes('?') && !text.includes('#')
    ? { value: url }
    : { allowed: 'https://host[:port][/path] without user, query or fragment, and with a port from 1' };
};

export const cipherSuites = (text: string): Parsed<readonly string[]> => {
  const value = parseCipherSuites(text);
  return value === undefined
    ? { allowed: `a list, separated by commas, of ${cipherSuiteNames.join(', ')}` }
    : { value };
};

export const clientNames = (text: string): Parsed<readonly string[]> => {
  const value = text.split(',').map((name) => name.trim());
  return value.includes('') ? { allowed: 'a list of names, separated by commas' } : { value };
};

const KEY_SIZES = ['2048', '3072', '4096'];
export const keySize = withChoices<number>(KEY_SIZES, (text) => {
  const size = oneOf(...KEY_SIZES)(text);
  return 'value' in size ? { value: Number(size.value) } : size;
});

/** Parses `host:port`. An IPv6 address must be in brackets. */
export function hostAndPort(text: string): Parsed<{ readonly host: string; readonly port: number }> {
  const [, bracketed, plain, digits] = /^(?:\[([0-9a-fA-F:.%\w]+)\]|([^\s:/[\]]+)):(\d{1,5})$/.exec(text) ?? [];
  const host = bracketed ?? plain;
  const port = Number(digits);
  return host !== undefined && port >= 1 && port <= 65535
    ? { value: { host, port } }
    : { allowed: '<host>:<port>, such as 127.0.0.1:8443 or [::1]:8443' };
}
