import { FOREIGN, SYMBOL } from './symbols.ts';

/**
 * Keeps each text once, under a number, with what is derived from it. A state of the model is a few such numbers, so that
 * millions of states fit in memory.
 */
export interface Table {
  id(text: string): number;
  text(id: number): string;
  parsed<Value>(id: number): Value;
  /** Returns the certificates in the text, in the order of their first appearance. */
  symbols(id: number): readonly string[];
  /** Returns the number that `derive` gives for the text, and derives it once. @param by the name of the derivation. */
  derived(id: number, by: string, derive: () => number | undefined): number | undefined;
  /** Returns the text with its certificates renamed. */
  renamed(id: number, names: ReadonlyMap<string, string>): number;
}

export function createTable(): Table {
  const ids = new Map<string, number>();
  const texts: string[] = [];
  const parsedTexts = new Map<number, unknown>();
  const symbolsOfTexts = new Map<number, readonly string[]>();
  const derivations = new Map<string, Map<number, number | undefined>>();

  function id(text: string): number {
    const known = ids.get(text);
    if (known !== undefined) return known;
    ids.set(text, texts.length);
    return texts.push(text) - 1;
  }
  const text = (index: number): string => texts[index] as string;
  function parsed<Value>(index: number): Value {
    if (!parsedTexts.has(index)) parsedTexts.set(index, JSON.parse(text(index)));
    return parsedTexts.get(index) as Value;
  }
  function symbols(index: number): readonly string[] {
    const known = symbolsOfTexts.get(index);
    if (known) return known;
    const all = text(index)
      .matchAll(SYMBOL)
      .map(([, name]) => `@${name}`);
    const found = [...new Set(all)].filter((symbol) => symbol !== FOREIGN);
    symbolsOfTexts.set(index, found);
    return found;
  }
  function derived(index: number, by: string, derive: () => number | undefined): number | undefined {
    const results = derivations.get(by) ?? new Map<number, number | undefined>();
    derivations.set(by, results);
    if (!results.has(index)) results.set(index, derive());
    return results.get(index);
  }
  function renamed(index: number, names: ReadonlyMap<string, string>): number {
    const rename = (whole: string, name: string, part: string) => {
      const after = names.get(`@${name}`);
      return after === undefined ? whole : `${after}${part}`;
    };
    return derived(index, [...names].join(), () => id(text(index).replace(SYMBOL, rename))) as number;
  }
  return { id, text, parsed, symbols, derived, renamed };
}
