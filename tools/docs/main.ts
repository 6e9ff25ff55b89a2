import { writeFile } from 'node:fs/promises';
import { FOLDER, pages } from './pages.ts';
import { writeRepository } from './repository.ts';

/**
 * `npm run docs`: writes the pages of docs/reference/ that are generated from the code, and the URL of the repository
 * into all documents.
 */
for (const [name, text] of pages()) await writeFile(new URL(name, FOLDER), text);
await writeRepository();
