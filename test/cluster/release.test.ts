import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { loadYaml } from '@kubernetes/client-node';
import packageJson from '../../package.json' with { type: 'json' };
import { chartObjects, deploymentOf, helm } from '../../tools/chart/helm.ts';
import { INSTALL } from '../../tools/manifests/kustomize.ts';
import { installFile, packageChart } from '../../tools/release/files.ts';
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

  it('the chart of a release has the published image as its default, also with image: null', async (t) => {
    const folder = await aFolder(t);
    await packageChart(IMAGE, folder);
    const chart = join(folder, `terraform-daemon-${packageJson.version}.tgz`);
    for (const values of [{}, { image: null }]) {
      const [container] = deploymentOf(await chartObjects({ values }, 'vela-system', chart)).spec?.template.spec
        ?.containers ?? [undefined];
      assert.equal(container?.image?.replace(/:1[\d.]+(?=@)/, ''), BY_DIGEST);
    }
    const { annotations } = loadYaml<{ annotations: Record<string, string> }>(await helm({}, 'show', 'chart', chart));
    const images = loadYaml(annotations['artifacthub.io/images'] ?? '');
    assert.deepEqual(images, [{ name: 'terraform-daemon', image: BY_DIGEST }]);
    await helm({}, 'lint', '--strict', chart);
  });
});
