import { printable } from './text.ts';

/** Text of a page that needs no escape any more. Only `html` makes it. */
export class Html {
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  toString(): string {
    return this.#text;
  }
}

export type Insert = string | number | Html | undefined | false | readonly Insert[];

/**
 * Returns a part of a page from a template. Escapes each inserted text, so that it is shown as text and can stand in a
 * quoted attribute, and makes it printable, so that it cannot reorder or hide other text. Leaves out `undefined` and `false`, and joins the items of a list.
 */
export const html = (parts: TemplateStringsArray, ...inserts: readonly Insert[]): Html =>
  new Html(parts.map((part, index) => (index === 0 ? part : `${escaped(inserts[index - 1])}${part}`)).join(''));

function escaped(insert: Insert): string {
  if (insert === undefined || insert === false) return '';
  if (insert instanceof Html) return insert.toString();
  if (typeof insert === 'object') return insert.map(escaped).join('');
  return printable(String(insert)).replaceAll(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
