import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseDocument, stringify } from 'yaml';
import { CHART } from '../chart/chart.ts';
import { helm } from '../chart/helm.ts';
import { renderKustomization } from '../manifests/kustomize.ts';

/** A published image. */
export interface Image {
  /** The name without tag and digest. */
  readonly name: string;
  readonly digest: string;
}

/** Returns `manifests/install.yaml` with the published image. */
export const installFile = async ({ name, digest }: Image): Promise<string> =>
  `# ${name}@${digest}\n${await renderKustomization({
    resources: ['overlays/default'],
    images: [{ name: 'terraform-daemon', newName: name, digest }],
    sortOptions: { order: 'fifo' },
  })}`;

/** Packages the chart with the published image as its default, and writes it to the folder. */
export async function packageChart({ name, digest }: Image, folder: string): Promise<void> {
  const work = await mkdtemp(join(tmpdir(), 'terraform-daemon-chart-'));
  try {
    const chart = join(work, 'terraform-daemon');
    await cp(CHART, chart, { recursive: true });
    // values.yaml is what a user reads, and files/defaults.json is what the templates use for a value of null.
    for (const file of ['values.yaml', 'files/defaults.json']) {
      const values = parseDocument(await readFile(join(chart, file), 'utf8'));
      values.setIn(['image', 'repository'], name);
      await writeFile(join(chart, file), values.toString({ lineWidth: 0 }));
    }
    // Not a value: "helm upgrade --reuse-values" would keep the digest of the release before.
    await writeFile(join(chart, 'files/image.json'), JSON.stringify({ repository: name, digest }));
    const metadata = parseDocument(await readFile(join(chart, 'Chart.yaml'), 'utf8'));
    // Artifact Hub scans this image and shows the report beside the chart.
    const images = [{ name: 'terraform-daemon', image: `${name}@${digest}` }];
    metadata.setIn(['annotations', 'artifacthub.io/images'], stringify(images));
    await writeFile(join(chart, 'Chart.yaml'), metadata.toString({ lineWidth: 0 }));
    await mkdir(folder, { recursive: true });
    await helm({}, 'package', chart, '--destination', folder);
  } finally {
    await rm(work, { recursive: true });
  }
}
