import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { access, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { promisify } from 'node:util';
import { loadYaml } from '@kubernetes/client-node';
import packageJson from '../../package.json' with { type: 'json' };
import { chartObjects, deploymentOf, helm } from '../../tools/chart/helm.ts';
import { INSTALL } from '../../tools/manifests/kustomize.ts';
import { installFile, packageChart } from '../../tools/release/files.ts';
import { writeKrewPlugin } from '../../tools/release/krew.ts';
import { aFolder } from '../support/builders/a-folder.ts';

const IMAGE = { name: 'ghcr.io/a-team/terraform-daemon', digest: `sha256:${'a1'.repeat(32)}` };
const BY_DIGEST = `${IMAGE.name}@${IMAGE.digest}`;

describe('the files of a release', () => {
  it('install.yaml of a release differs from manifests/install.yaml only in the image, which is given by digest', async () => {
    const [first, ...released] = (await installFile(IMAGE)).split('\n');
    const [, ...expected] = (await readFile(INSTALL, 'utf8')).split('\n');
    const daemon = `image: terraform-daemon:${packageJson.version}`;
    assert.equal(first, `# ${BY_DIGEST}`);
    assert.deepEqual(
      released,
      expected.map((line) => line.replace(daemon, `image: ${BY_DIGEST}`)),
    );
    assert.ok(released.some((line) => line.endsWith(BY_DIGEST)));
  });

  it('the krew manifest of a release names the archive of the plugin in this release, with its checksum', async (t) => {
    const folder = await aFolder(t);
    await writeKrewPlugin(folder);
    const { version, repository } = packageJson;
    const name = `kubectl-terraform_daemon-${version}.tgz`;
    const archive = join(folder, name);
    const manifest = await readFile(join(folder, 'krew.yaml'), 'utf8');
    assert.ok(manifest.includes(`uri: ${repository}/releases/download/v${version}/${name}\n`));
    const sha256 = createHash('sha256')
      .update(await readFile(archive))
      .digest('hex');
    assert.ok(manifest.includes(`sha256: ${sha256}\n`));
    await promisify(execFile)('tar', ['-xzf', archive, '-C', folder]);
    const { stdout } = await promisify(execFile)(join(folder, 'kubectl-terraform_daemon'), ['--help']);
    assert.match(stdout, /kubectl terraform-daemon inspect/);
    await access(join(folder, 'LICENSE'));
  });

  it('the chart of a release has the published image as its default, also with image: null', async (t) => {
    const folder = await aFolder(t);
    await packageChart(IMAGE, folder);
    const chart = join(folder, `terraform-daemon-${packageJson.version}.tgz`);
    for (const values of [{}, { image: null }]) {
      const [container] = deploymentOf(await chartObjects({ values }, 'vela-system', chart)).spec?.template.spec
        ?.containers ?? [undefined];
      assert.equal(container?.image?.replace(/:1[\d.]+(?=@)/, ''), BY_DIGEST);
    }
    const others: readonly (readonly [values: object, image: string])[] = [
      [{ tag: '1.0.1' }, `${IMAGE.name}:1.0.1`],
      [{ repository: 'registry.example.com/a' }, `registry.example.com/a:${packageJson.version}`],
    ];
    for (const [image, expected] of others) {
      const objects = await chartObjects({ values: { image } }, 'vela-system', chart);
      assert.equal(deploymentOf(objects).spec?.template.spec?.containers[0]?.image, expected);
    }
    // "helm upgrade --reuse-values" renders the new chart with all values of the old one.
    const kept = loadYaml<object>(await helm({}, 'show', 'values', chart));
    const next = { ...IMAGE, digest: `sha256:${'b2'.repeat(32)}` };
    await packageChart(next, folder);
    const upgraded = deploymentOf(await chartObjects({ values: kept }, 'vela-system', chart));
    assert.ok(upgraded.spec?.template.spec?.containers[0]?.image?.endsWith(next.digest));
    const { annotations } = loadYaml<{ annotations: Record<string, string> }>(await helm({}, 'show', 'chart', chart));
    const images = loadYaml(annotations['artifacthub.io/images'] ?? '');
    assert.deepEqual(images, [{ name: 'terraform-daemon', image: `${next.name}@${next.digest}` }]);
    await helm({}, 'lint', '--strict', chart);
  });
});
