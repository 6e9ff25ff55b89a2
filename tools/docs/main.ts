import { writeFile } from 'node:fs/promises';
import { KUBECTL_COMPLETION, kubectlCompletion } from './kubectl-completion.ts';
import { FOLDER, pages } from './pages.ts';
import { writeRepository } from './repository.ts';

/**
 * `npm run docs`: writes the pages of docs/reference/ that are generated from the code, the completion of the kubectl
 * plugin, and the URL of the repository into all documents.
 */
for (const [name, text] of pages()) await writeFile(new URL(name, FOLDER), text);
await writeFile(KUBECTL_COMPLETION, kubectlCompletion(), { mode: 0o755 });
await writeRepository();
