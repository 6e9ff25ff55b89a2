import { writeFile } from 'node:fs/promises';
import { FOLDER, pages } from './pages.ts';

/** `npm run docs`: writes the pages of docs/reference/ that are generated from the code. */
for (const [name, text] of pages()) await writeFile(new URL(name, FOLDER), text);
