import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { CHART, chartFiles } from '../chart/chart.ts';
import { INSTALL, installManifest } from './kustomize.ts';

/** `npm run manifests`: manifests/install.yaml, made anew from the base, and what is made of the Helm chart. */
await writeFile(INSTALL, await installManifest());
for (const [name, content] of Object.entries(await chartFiles())) {
  await mkdir(dirname(join(CHART, name)), { recursive: true });
  await writeFile(join(CHART, name), content);
}
