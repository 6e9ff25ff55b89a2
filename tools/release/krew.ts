import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { stringify } from 'yaml';
import packageJson from '../../package.json' with { type: 'json' };
import { releaseUrl } from '../docs/file-url.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const PLUGIN = 'kubectl-terraform_daemon';

/**
 * Writes the kubectl plugin to the folder: its archive, and the manifest for krew with the checksum of the archive.
 * https://krew.sigs.k8s.io/docs/developer-guide/plugin-manifest/
 */
export async function writeKrewPlugin(folder: string): Promise<void> {
  const { version, repository } = packageJson;
  const archive = `${PLUGIN}-${version}.tgz`;
  const files = [
    '-C',
    join(ROOT, 'kubectl-plugin'),
    PLUGIN,
    'kubectl_complete-terraform_daemon',
    '-C',
    ROOT,
    'LICENSE',
  ];
  await promisify(execFile)('tar', ['--create', '--gzip', '--file', join(folder, archive), ...files]);
  const sha256 = createHash('sha256')
    .update(await readFile(join(folder, archive)))
    .digest('hex');
  const manifest = {
    apiVersion: 'krew.googlecontainertools.github.com/v1alpha2',
    kind: 'Plugin',
    metadata: { name: 'terraform-daemon' },
    spec: {
      version: `v${version}`,
      homepage: repository,
      shortDescription: 'Inspect terraform-daemon and list failed applies',
      description:
        'Runs the commands of terraform-daemon, such as inspect, applies and rotate, in a Pod of the cluster.',
      platforms: [
        {
          // The plugin is a POSIX shell script.
          selector: { matchExpressions: [{ key: 'os', operator: 'In', values: ['darwin', 'linux'] }] },
          uri: releaseUrl(archive),
          sha256,
          bin: PLUGIN,
        },
      ],
    },
  };
  await writeFile(join(folder, 'krew.yaml'), stringify(manifest));
}
