import type { CertificateOptions, CertificatePair } from '../../src/certs/certificate-set.ts';
import { issueCertificateAuthority, issueServingCertificate } from '../../src/certs/issue.ts';
import { joinCertificates } from '../../src/lib/pem.ts';

/**
 * The texts of the model. A value of the daemon is kept as JSON in which each certificate, private key and moment is a
 * symbol, so that values which differ only in keys and in the clock are the same text:
 *
 * - `@B` the certificate of CA B, `@B2` the second serving certificate that B has signed; `@B2k` its private key.
 *   `@X` is a CA of another writer, with other name constraints.
 * - `<-3>` a moment three ticks ago as ISO 8601 text, `<d-3>` as a Date, `<u-3>` as milliseconds of uptime.
 */
export interface Symbols {
  /** Returns the value as text with symbols. */
  lower(value: unknown): string;
  /** Returns the value of a text with symbols. */
  lift<Value>(text: string): Value;
  /** Returns the certificate and private key of a symbol such as `@B` or `@B2`; issues them at the first call. */
  pair(symbol: string): Promise<CertificatePair>;
  /** Returns the symbol of a certificate. */
  symbolOf(certificate: string): string;
}

/** The moment that is `now` in each step of the model, by a clock that is right. Certificates are a day old. */
export const NOW = new Date('2030-01-02T00:00:00Z');
const ISSUED_AT = new Date('2030-01-01T00:00:00Z');
/** The uptime of each process in each step of the model: only differences of uptimes count. */
export const UPTIME_MS = 1_000_000_000;

/** The CA of another writer. */
export const FOREIGN = '@X';
/** Returns the CA that has signed the certificate; a CA has signed itself. */
export const authorityOf = (symbol: string): string => symbol.slice(0, 2);
/** A symbol: the name of the certificate, and `k` for its key. */
export const SYMBOL = /@([A-X]\d*)(k?)/g;
const MOMENT = /<([du]?)(-?\d+|far)>/g;
export const FAR_MS = 30 * 24 * 3_600_000;
const pemBlock = /-----BEGIN [A-Z ]+-----[^-]+-----END [A-Z ]+-----\r?\n/g;
const isoText = /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z/g;

export interface SymbolOptions {
  readonly options: CertificateOptions;
  readonly tickMs: number;
}

export function createSymbols({ options, tickMs }: SymbolOptions): Symbols {
  const pairs = new Map<string, Promise<CertificatePair>>();
  const symbols = new Map<string, string>();
  const texts = new Map<string, string>();

  async function issue(symbol: string): Promise<CertificatePair> {
    const names = symbol === FOREIGN ? { dns: ['elsewhere.svc'], ip: [] } : options.names;
    const authority = authorityOf(symbol);
    const issued =
      authority !== symbol
        ? await issueServingCertificate(options, await pair(authority), ISSUED_AT)
        : await issueCertificateAuthority({ ...options, names }, ISSUED_AT);
    const known = { certificate: joinCertificates([issued.certificate]), privateKey: issued.privateKey };
    learn(symbol, known.certificate);
    learn(`${symbol}k`, known.privateKey);
    return known;
  }
  function learn(symbol: string, text: string): void {
    symbols.set(text, symbol);
    texts.set(symbol, text);
  }
  function pair(symbol: string): Promise<CertificatePair> {
    const issued = pairs.get(symbol) ?? issue(symbol);
    pairs.set(symbol, issued);
    return issued;
  }
  function symbolOf(text: string): string {
    const symbol = symbols.get(text);
    if (symbol === undefined) throw new Error(`the model has no symbol for:\n${text}`);
    return symbol;
  }
  const ticks = (ms: number) => {
    if (ms > FAR_MS / 2) return 'far';
    if (ms % tickMs !== 0) throw new Error(`${ms} ms are no whole number of ticks`);
    return ms / tickMs;
  };
  const ms = (word: string | undefined) => (word === 'far' ? FAR_MS : Number(word) * tickMs);
  // A fingerprint of Memory is the JSON of CA certificates and of the webhook spec, which is the same in all states.
  const specs: string[] = [];
  function lowerFingerprint(text: string): string {
    const [own, spec] = JSON.parse(text) as [string, unknown];
    const written = JSON.stringify(spec);
    if (!specs.includes(written)) specs.push(written);
    return `=${specs.indexOf(written)}${lowerText(own)}`;
  }
  const liftFingerprint = ([, index, ...own]: string) =>
    JSON.stringify([liftText(own.join('')), JSON.parse(specs[Number(index)] ?? '')]);
  const lowerText = (text: string) =>
    text.replace(pemBlock, symbolOf).replace(isoText, (iso) => `<${ticks(Date.parse(iso) - NOW.getTime())}>`);
  const liftText = (text: string) =>
    text
      .replace(SYMBOL, (symbol) => texts.get(symbol) ?? unknown(symbol))
      .replace(MOMENT, (_, _kind, word) => new Date(NOW.getTime() + ms(word)).toISOString());
  const unknown = (symbol: string): never => {
    throw new Error(`${symbol} was never issued`);
  };

  function lower(value: unknown): string {
    // A Date is turned into text before a replacer sees it.
    return JSON.stringify(value, function (this: Record<string, unknown>, key, part: unknown) {
      const original = this[key];
      if (original instanceof Date) return `<d${ticks(original.getTime() - NOW.getTime())}>`;
      if (key === 'sinceMs') return `<u${ticks((part as number) - UPTIME_MS)}>`;
      if (typeof part !== 'string') return part;
      return part.startsWith('["') ? lowerFingerprint(part) : lowerText(part);
    });
  }
  function liftPart(part: string): unknown {
    if (part.startsWith('=')) return liftFingerprint(part);
    const [whole, kind, word] = [...part.matchAll(MOMENT)][0] ?? [];
    if (whole !== part || !kind) return liftText(part);
    return kind === 'd' ? new Date(NOW.getTime() + ms(word)) : UPTIME_MS + ms(word);
  }
  const lift = <Value>(text: string): Value =>
    JSON.parse(text, (_key, part: unknown) => (typeof part === 'string' ? liftPart(part) : part));
  return { lower, lift, pair, symbolOf };
}

/**
 * Returns the text one tick later. A moment that is more than `oldest` ticks ago counts as `oldest` ticks ago; an uptime, as
 * the settle time ago, because nothing waits for longer.
 */
export const oneTickLater = (text: string, { oldest, settle }: { oldest: number; settle: number }): string =>
  text.replace(MOMENT, (whole, kind, word) =>
    word === 'far' ? whole : `<${kind}${Math.max(Number(word) - 1, kind === 'u' ? -settle : -oldest)}>`,
  );
