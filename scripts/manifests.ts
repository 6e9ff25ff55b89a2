import { writeFile } from 'node:fs/promises';
import { INSTALL, installManifest } from '../test/support/manifests.ts';

/** `npm run manifests`: manifests/install.yaml, made anew from the base. */
await writeFile(INSTALL, await installManifest());
