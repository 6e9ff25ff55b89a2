import fc from 'fast-check';
import { anyJson } from '../support/builders/any-job.ts';

/** Texts that are known to break parsers, and keywords of the formats that the daemon parses. */
const snippets = [
  '',
  ' ',
  '\0',
  '\n',
  '\r\n',
  '\t',
  '\ufeff',
  '\u2028',
  '\ud800',
  '{',
  '}',
  '[',
  ']',
  ',',
  ':',
  ': ',
  '- ',
  '"',
  "'",
  '\\',
  '\\ud800',
  '---\n',
  '...\n',
  '# ',
  '&a ',
  '*a',
  '<<: *a',
  '!!js/function ',
  '!!binary ',
  '| ',
  '>-\n',
  '? ',
  '%YAML 9.9\n',
  '__proto__',
  'constructor',
  'null',
  'true',
  '0',
  '-0',
  '1e999',
  '9007199254740993',
  '2026-01-01',
  '-----BEGIN ',
  '-----BEGIN CERTIFICATE-----',
  '-----END CERTIFICATE-----',
  '-',
  '=',
  '[['.repeat(500),
  '{"a":'.repeat(500),
];

const anySnippet = fc.oneof(fc.constantFrom(...snippets), fc.string({ unit: 'binary' }));

interface Edit {
  /** Position of the edit as a fraction of the text length, from 0 to 1. */
  readonly at: number;
  readonly cut: number;
  readonly put: string;
}

const anyEdit: fc.Arbitrary<Edit> = fc.record({
  at: fc.double({ min: 0, max: 1, noNaN: true }),
  cut: fc.oneof(fc.nat(3), fc.nat(200), fc.nat(100_000)),
  put: anySnippet,
});

const edited = (text: string, { at, cut, put }: Edit): string => {
  const index = Math.floor(at * text.length);
  return text.slice(0, index) + put + text.slice(index + cut);
};

/** Generates one of `texts` with up to four random replacements, or sometimes an unrelated text. */
export const damaged = (...texts: readonly string[]): fc.Arbitrary<string> =>
  fc.oneof(
    { weight: 9, arbitrary: fc.tuple(fc.constantFrom(...texts), fc.array(anyEdit, { maxLength: 4 })).map(applied) },
    { weight: 1, arbitrary: fc.oneof(anySnippet, fc.json(), fc.constant('')) },
  );

const applied = ([text, edits]: [string, Edit[]]): string => edits.reduce(edited, text);

const LEVELS = 100_000;

/** Hand-written JSON texts, some of them invalid. */
const hostileJson = [
  'null',
  'true',
  '-0',
  '1e999',
  '""',
  '[]',
  '{}',
  '"\\ud800"',
  '"\\u0000"',
  '"__proto__"',
  '{"__proto__":{"restartPolicy":"Never"}}',
  '{"__proto__":null}',
  '{"constructor":{"prototype":{"backoffLimit":0}}}',
  '{"toString":1}',
  '{"toJSON":1}',
  '{"length":1}',
  '{"a":1,"a":2}',
  '{"kind":"Job","kind":"Pod"}',
  '{"managedFields":[{"f:spec":{"k:{\\"name\\":\\"]\\"}":{}}},[[]]],"managedFields":[1]}',
  '{"x\\"managedFields":["]"]}',
  '"{\\"managedFields\\":["',
  '[[[]]]',
  `${'['.repeat(LEVELS)}${']'.repeat(LEVELS)}`,
  `${'{"a":'.repeat(LEVELS)}1${'}'.repeat(LEVELS)}`,
  `${'['.repeat(LEVELS)}`,
  `[${'[],'.repeat(50_000)}0]`,
  `"${'x'.repeat(300_000)}"`,
];

/** Generates random JSON, or an entry of `hostileJson`, which can be invalid JSON. */
export const anyHostileJson = fc.oneof(anyJson, fc.constantFrom(...hostileJson));

/** Generates a JSON value, from random JSON or from an entry of `hostileJson` with less than 1,000 characters. */
export const anyHostileValue = fc
  .oneof(anyJson, fc.constantFrom(...hostileJson.filter((text) => text.length < 1000)))
  .map((text): unknown => JSON.parse(text));
