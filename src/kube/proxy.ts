import { BlockList, isIP } from 'node:net';

const SCHEMES = ['http:', 'https:', 'socks5:'];
/** Says in error messages which proxy URLs are allowed. */
export const ALLOWED_PROXY = 'a URL that begins with http://, https:// or socks5://';

export const isProxyUrl = (url: string): boolean => SCHEMES.includes(URL.parse(url)?.protocol ?? '');

/**
 * Returns the proxy for an https URL by the environment, as kubectl chooses it (golang.org/x/net/http/httpproxy): the lower
 * case of a variable goes before the upper case, and a loopback address has no proxy. client-node reads no variable:
 * https://github.com/kubernetes-client/javascript/issues/648
 */
export function proxyFromEnvironment(
  server: URL,
  env: Readonly<Record<string, string | undefined>>,
): string | undefined {
  const proxy = env.https_proxy || env.HTTPS_PROXY;
  const host = server.hostname.replace(/^\[(.*)\]$/, '$1');
  if (!proxy || host === 'localhost' || loopback.check(host, familyOf(host))) return undefined;
  const excluded = (env.no_proxy || env.NO_PROXY || '').toLowerCase().split(',');
  if (excluded.some((entry) => isExcluded(entry.trim(), host, server.port || '443'))) return undefined;
  return proxy.includes('://') ? proxy : `http://${proxy}`;
}

const loopback = new BlockList();
loopback.addSubnet('127.0.0.0', 8, 'ipv4');
loopback.addAddress('::1', 'ipv6');

const familyOf = (host: string): 'ipv4' | 'ipv6' => (isIP(host) === 6 ? 'ipv6' : 'ipv4');

/** Decides about one entry of NO_PROXY: `*`, an IP range, or an IP address or a domain with or without a port. */
function isExcluded(entry: string, host: string, port: string): boolean {
  if (entry === '*') return true;
  const [, name = entry, onlyPort = port] = isIP(entry) ? [] : (/^\[?(.*?)\]?(?::(\d+))?$/.exec(entry) ?? []);
  if (name === '' || onlyPort !== port) return false;
  if (isIP(host) !== 0) return isInRange(name, host);
  const suffix = name.replace(/^\*?\./, '.');
  return suffix.startsWith('.') ? host.endsWith(suffix) : host === suffix || host.endsWith(`.${suffix}`);
}

function isInRange(range: string, host: string): boolean {
  const [address = '', prefix] = range.split('/');
  if (isIP(address) !== isIP(host)) return false;
  const longest = isIP(host) === 4 ? 32 : 128;
  const bits = prefix === undefined ? longest : Number(prefix || Number.NaN);
  if (!(bits <= longest)) return false;
  const list = new BlockList();
  list.addSubnet(address, bits, familyOf(host));
  return list.check(host, familyOf(host));
}
