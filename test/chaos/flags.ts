import { readArguments, usageError } from '../../tools/arguments.ts';

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

/** Reads the flags of a test program, each `--name value`. Exits with code 2 after invalid values. */
export function readFlags<const F extends Flags>(flags: F, about: string): FlagValues<F> {
  const lines = Object.entries(flags).map(([name, flag]) => `  --${name}: ${allowedOf(flag)}; default ${flag.default}`);
  const usage = `${about}\n\n${lines.join('\n')}`;
  const options = Object.fromEntries(Object.keys(flags).map((name) => [name, { type: 'string' as const }]));
  const { values } = readArguments(usage, { options });
  const problems: string[] = [];
  const read = Object.entries(flags).map(([name, flag]) => {
    const text = values[name] ?? String(flag.default);
    const value = 'allowed' in flag ? textOf(flag, text) : numberOf(flag, text);
    if (value === undefined) {
      problems.push(`--${name}: invalid value ${JSON.stringify(text)}: must be ${allowedOf(flag)}`);
    }
    return [name, value];
  });
  if (problems.length > 0) usageError(usage, problems.join('\n'));
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
