import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { CHART, chartFiles } from '../chart/chart.ts';
import { INSTALL, installManifest } from './kustomize.ts';

/** `npm run manifests`: writes manifests/install.yaml from the base, and the generated files of the Helm chart. */
await writeFile(INSTALL, await installManifest());
for (const [name, content] of Object.entries(await chartFiles())) {
  await mkdir(dirname(join(CHART, name)), { recursive: true });
  await writeFile(join(CHART, name), content);
}
