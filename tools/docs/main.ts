import { writeFile } from 'node:fs/promises';
import { readArguments } from '../arguments.ts';
import { writeIdentity } from './identity.ts';
import { KUBECTL_COMPLETION, kubectlCompletion } from './kubectl-completion.ts';
import { FOLDER, pages } from './pages.ts';

readArguments(`npm run docs

Writes the pages of docs/reference/ that are generated from the code, the completion of the kubectl plugin, and the version,
repository, name and address of package.json into all documents and manifests.`);
for (const [name, text] of pages()) await writeFile(new URL(name, FOLDER), text);
await writeFile(KUBECTL_COMPLETION, kubectlCompletion(), { mode: 0o755 });
await writeIdentity();
