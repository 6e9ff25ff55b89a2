import type { Terminal } from '../../../src/commands/terminal.ts';

/** A terminal without colours, as for a pipe. */
export const plain: Terminal = { width: 100, paint: (_style, text) => text };

/** A terminal that writes the name of each style around its text. */
export const marked: Terminal = { width: 100, paint: (style, text) => `<${style}>${text}</>` };
