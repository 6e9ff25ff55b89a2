import { stripVTControlCharacters, styleText } from 'node:util';
import { eastAsianWidth } from 'get-east-asian-width';
import type { OutputStream } from '../cli/command-line.ts';
import { oneLine } from '../lib/text.ts';

/** What a style means, and its look. A text says the same without its style, because not every reader sees colours. */
const styles = { good: 'green', caution: 'yellow', bad: 'red', hint: 'dim', title: 'bold' } as const;

export type Style = keyof typeof styles;

/** Where a command prints its text. */
export interface Terminal {
  /** Maximum columns of a line. */
  readonly width: number;
  /** Adds the style to a printable text, or returns the text unchanged if the output has no colours. */
  readonly paint: (style: Style, text: string) => string;
}

/** A text, and the style in which it is printed. */
export type Cell = string | { readonly text: string; readonly style: Style };

const WIDEST = 100;
/** A narrower terminal wraps the lines itself: words and commands need this width. */
const NARROWEST = 60;
const NAMES = 13;
const GAP = '   ';

/** Returns how to print to a stream. `styleText` honours NO_COLOR and FORCE_COLOR, and prints no colours to a pipe. */
export const terminalOf = (stream: OutputStream): Terminal => ({
  width: Math.min(WIDEST, Math.max(NARROWEST, stream.columns || WIDEST)),
  paint: (style, text) => styleText(styles[style], text, { stream }),
});

/** Lines that stay, and below them one line that is rewritten. */
export interface ProgressOutput {
  readonly say: (line: string) => void;
  /** Rewrites the last line on a terminal. `undefined` removes it. A pipe gets only the lines that stay. */
  readonly show: (text: string | undefined) => void;
}

/** A terminal prints these two characters when a user presses Ctrl-C. */
const CTRL_C = '^C';

/** Returns how to print progress. The rewritten line needs no escape sequence, so that nothing is left to restore. */
export function progressOutput(stream: OutputStream): ProgressOutput {
  let shown = 0;
  const show = (text = ''): void => {
    if (!stream.isTTY || (text === '' && shown === 0)) return;
    const line = text.slice(0, (stream.columns || WIDEST) - CTRL_C.length - 1);
    stream.write(`\r${' '.repeat(shown)}\r${line}`);
    shown = line === '' ? 0 : line.length + CTRL_C.length;
  };
  const say = (line: string): void => {
    show();
    stream.write(`${line}\n`);
  };
  return { say, show };
}

const INVISIBLE = /[\p{Mn}\p{Me}\p{Cc}\p{Cf}]/u;

/** Returns the number of terminal columns of a text: two for a Chinese character or an emoji, none for a style. */
export function columnsOf(text: string): number {
  const visible = [...stripVTControlCharacters(text)].filter((character) => !INVISIBLE.test(character));
  return visible.reduce((sum, character) => sum + eastAsianWidth(character.codePointAt(0) ?? 0), 0);
}

/** Fills a text with spaces up to a number of columns. */
export const padded = (text: string, columns: number): string =>
  text + ' '.repeat(Math.max(0, columns - columnsOf(text)));

const OPENING_BRACKETS = '（「『《〈【';
/**
 * Where a line can break: before a space, and before a Chinese or Japanese character, because these languages have no
 * spaces. Not before their punctuation, and not after an opening bracket.
 */
const BREAKS = new RegExp(`(?= )|(?<![ ${OPENING_BRACKETS}])(?=[\\p{sc=Han}\\p{sc=Hira}\\p{sc=Kana}])`, 'u');

const styled = (cell: Cell, { paint }: Terminal): ((text: string) => string) =>
  typeof cell === 'string' ? (text) => text : (text) => paint(cell.style, text);
const textOf = (cell: Cell): string => oneLine(typeof cell === 'string' ? cell : cell.text);

/**
 * Returns the text as lines that start with `first` and `rest`. A word that is longer than a line stays whole, so that
 * a user can copy it.
 */
export function wrapped(cell: Cell, margin: { readonly first: string; readonly rest: string }, terminal: Terminal) {
  const style = styled(cell, terminal);
  const lines: string[] = [];
  let start = margin.first;
  let line = '';
  for (const piece of textOf(cell).split(BREAKS)) {
    if (line !== '' && columnsOf(start + line + piece) > terminal.width) {
      lines.push(start + style(line));
      start = margin.rest;
      line = piece.trimStart();
    } else {
      line += piece;
    }
  }
  return [...lines, start + style(line)];
}

/** Returns the lines of a row: the name in the first column, the text in the second. */
export const row = (name: string, cell: Cell, terminal: Terminal): string[] =>
  wrapped(cell, { first: `  ${padded(name, NAMES)}`, rest: ' '.repeat(NAMES + 2) }, terminal);

/** Returns a command in the second column, on one line, so that a user can copy it. */
export const commandRow = (command: string): string => ' '.repeat(NAMES + 2) + oneLine(command);

/** Returns the lines of a table. Each column is as wide as its widest cell. */
export function table(head: readonly string[], rows: readonly (readonly Cell[])[], terminal: Terminal): string[] {
  const lines: readonly (readonly Cell[])[] = [head.map((text) => ({ text, style: 'title' })), ...rows];
  const widths = head.map((_, index) => Math.max(...lines.map((cells) => columnsOf(textOf(cells[index] ?? '')))));
  return lines.map((cells) => {
    const last = cells.length - 1;
    const texts = cells.map((cell, index) => {
      const text = textOf(cell);
      const gap = index === last ? '' : padded('', (widths[index] ?? 0) - columnsOf(text)) + GAP;
      return styled(cell, terminal)(text) + gap;
    });
    return texts.join('').trimEnd();
  });
}
