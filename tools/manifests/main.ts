import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { ADDON, addonFiles } from '../addon/addon.ts';
import { readArguments } from '../arguments.ts';
import { CHART, chartFiles } from '../chart/chart.ts';
import { INSTALL, installManifest } from './kustomize.ts';

readArguments(`npm run manifests

Writes manifests/install.yaml from the base, and the generated files of the chart and the addon.`);
await writeFile(INSTALL, await installManifest());
await writeFiles(CHART, await chartFiles());
await writeFiles(ADDON, await addonFiles());

async function writeFiles(folder: string, files: Readonly<Record<string, string>>): Promise<void> {
  for (const [name, content] of Object.entries(files)) {
    await mkdir(dirname(join(folder, name)), { recursive: true });
    await writeFile(join(folder, name), content);
  }
}
