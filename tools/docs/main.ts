import { writeFile } from 'node:fs/promises';
import { FOLDER, pages } from './pages.ts';

/** `npm run docs`: the pages of docs/reference/ that are made from the code. */
for (const [name, text] of pages()) await writeFile(new URL(name, FOLDER), text);
