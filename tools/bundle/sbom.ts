import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readArguments } from '../arguments.ts';

readArguments(`npm run sbom, after npm run build

Writes the packages of the bundle as CycloneDX (dist/sbom.cdx.json) and the licence texts that must be shipped
(dist/third-party-licenses.txt). The same lock file and npm version give the same bytes.`);

/** The fields of CycloneDX that are used here. */
interface Sbom {
  serialNumber?: string;
  metadata: { timestamp?: string; component: { name: string; 'bom-ref': string } };
  components: readonly { readonly 'bom-ref': string }[];
  dependencies: readonly { readonly ref: string; readonly dependsOn: readonly string[] }[];
}

interface Package {
  readonly name: string;
  readonly version: string;
  readonly license?: string;
}

const readJson = (file: string) => JSON.parse(readFileSync(file, 'utf8'));

/** Returns the folder of each package that is in the bundle, by `name@version`. */
function bundledPackages(): ReadonlyMap<string, string> {
  const { outputs } = readJson('dist/metafile.json');
  const { inputs }: { inputs: Record<string, { bytesInOutput: number }> } = outputs['dist/terraform-daemon.js'];
  const packages = Object.entries(inputs).flatMap(([file, { bytesInOutput }]) => {
    const [folder] = file.match(/^(?:.*\/)?node_modules\/(?:@[^/]+\/)?[^/]+/) ?? [];
    if (folder === undefined || bytesInOutput === 0) return [];
    const { name, version }: Package = readJson(join(folder, 'package.json'));
    return [[`${name}@${version}`, folder] as const];
  });
  return new Map(packages.sort(([one], [other]) => (one < other ? -1 : 1)));
}

/**
 * npm lists every package of the lock file, but few of them are in the bundle. `npm sbom --omit=dev` is no help: it
 * also omits bundled packages that a development tool shares.
 */
function bundleSbom(isBundled: (ref: string) => boolean): Sbom {
  const options = ['--package-lock-only', '--sbom-format=cyclonedx', '--sbom-type=application'];
  const sbom: Sbom = JSON.parse(execFileSync('npm', ['sbom', ...options], { encoding: 'utf8', maxBuffer: 2 ** 26 }));
  const { component } = sbom.metadata;
  component.name = 'terraform-daemon'; // npm names it after the folder of the checkout, or the package of a copy
  delete sbom.metadata.timestamp;
  delete sbom.serialNumber;
  const dependencies = sbom.dependencies
    .filter(({ ref }) => ref === component['bom-ref'] || isBundled(ref))
    .map(({ ref, dependsOn }) => ({ ref, dependsOn: dependsOn.filter(isBundled) }));
  return { ...sbom, components: sbom.components.filter((part) => isBundled(part['bom-ref'])), dependencies };
}

function licenceText(ref: string, folder: string): string {
  const { license }: Package = readJson(join(folder, 'package.json'));
  const files = readdirSync(folder).filter((file) => /^(licen[cs]e|copying|notice)/i.test(file));
  const texts = files.sort().map((file) => readFileSync(join(folder, file), 'utf8').trim());
  return [`${ref} (${license})`, ...texts].join('\n\n');
}

const bundled = bundledPackages();
const sbom = bundleSbom((ref) => bundled.has(ref));
writeFileSync('dist/sbom.cdx.json', `${JSON.stringify(sbom, undefined, 2)}\n`);
const texts = [...bundled].map(([ref, folder]) => licenceText(ref, folder));
writeFileSync('dist/third-party-licenses.txt', `${texts.join(`\n\n${'-'.repeat(80)}\n\n`)}\n`);
