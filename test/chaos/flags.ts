import { parseArgs } from 'node:util';

export interface NumberFlag {
  readonly default: number;
  readonly low: number;
  readonly high: number;
}

export interface TextFlag {
  readonly default: string;
  readonly allowed: RegExp;
  /** Describes the values that `allowed` accepts. The error message for an invalid value contains this text. */
  readonly what: string;
}

type Flags = Readonly<Record<string, NumberFlag | TextFlag>>;

export type FlagValues<F extends Flags> = {
  readonly [Name in keyof F]: F[Name] extends NumberFlag ? number : string;
};

/**
 * Reads the flags of a test program, each `--name value`.
 *
 * @throws Error with one line for each problem: the flag, the given value and the allowed values.
 */
export function readFlags<const F extends Flags>(flags: F, argv: readonly string[]): FlagValues<F> {
  const options = Object.fromEntries(Object.keys(flags).map((name) => [name, { type: 'string' as const }]));
  const { values, tokens } = parseArgs({ args: [...argv], options, strict: false, tokens: true });
  const unknown = tokens.flatMap((token) => {
    if (token.kind === 'positional') return [token.value];
    return token.kind === 'option' && !(token.name in flags) ? [token.rawName] : [];
  });
  const problems = unknown.map((found) => `${found}: unknown flag; valid flags are ${describeFlags(flags)}`);
  const read = Object.entries(flags).map(([name, flag]) => {
    const text = values[name] ?? String(flag.default);
    const value = 'allowed' in flag ? textOf(flag, text) : numberOf(flag, text);
    if (value === undefined) {
      problems.push(`--${name}: invalid value ${JSON.stringify(text)}: must be ${allowedOf(flag)}`);
    }
    return [name, value];
  });
  if (problems.length > 0) throw new Error(problems.join('\n'));
  return Object.fromEntries(read);
}

const textOf = ({ allowed }: TextFlag, text: unknown): string | undefined =>
  typeof text === 'string' && allowed.test(text) ? text : undefined;

function numberOf({ low, high }: NumberFlag, text: unknown): number | undefined {
  const value = typeof text === 'string' && /^\d+(\.\d+)?$/.test(text) ? Number(text) : Number.NaN;
  return value >= low && value <= high ? value : undefined;
}

const allowedOf = (flag: NumberFlag | TextFlag): string =>
  'allowed' in flag ? flag.what : `a number from ${flag.low} to ${flag.high}`;

export const describeFlags = (flags: Flags): string =>
  Object.entries(flags)
    .map(([name, flag]) => `--${name} (${flag.default})`)
    .join(', ');
