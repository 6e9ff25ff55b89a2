import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { after, before, describe, it, type TestContext } from 'node:test';
import { promisify } from 'node:util';
import type { KubernetesObject, V1Deployment } from '@kubernetes/client-node';
import { ADDON } from '../../tools/addon/addon.ts';
import { byName, deploymentOf, objectsIn } from '../../tools/chart/helm.ts';
import { ensureTool } from '../../tools/control-plane/binaries.ts';
import { kubectl } from '../../tools/control-plane/kubectl.ts';
import { INSTALL } from '../../tools/manifests/kustomize.ts';
import { aFolder } from '../support/builders/a-folder.ts';
import { type Cluster, startCluster } from '../support/cluster/cluster.ts';

interface Component {
  readonly name: string;
  readonly type: string;
  readonly dependsOn?: readonly string[];
  readonly properties: { readonly objects: readonly KubernetesObject[] };
}

interface Application {
  readonly apiVersion: string;
  readonly kind: string;
  readonly spec: { readonly components: readonly Component[]; readonly policies: readonly object[] };
}

const IMAGE = 'registry.example.com:5000/platform/terraform-daemon';

describe('the KubeVela addon', () => {
  const cue = async (home: string, ...args: readonly string[]) =>
    promisify(execFile)(await ensureTool('cue'), args, { cwd: ADDON, env: { PATH: process.env.PATH, HOME: home } });

  /** Renders the Application as KubeVela does: one package of the files of the addon and of the parameters of the user. */
  async function render(t: TestContext, parameters: object): Promise<Application> {
    const folder = await aFolder(t, { 'user.cue': `package main\n\nparameter: ${JSON.stringify(parameters)}\n` });
    const files = ['parameter.cue', 'template.cue', 'resources/objects.cue', `${folder}/user.cue`];
    const { stdout } = await cue(folder, 'export', '--expression', 'output', ...files);
    return JSON.parse(stdout);
  }

  const objectsOf = ({ spec }: Application) => spec.components.flatMap(({ properties }) => properties.objects);
  const installed = async () => objectsIn(await readFile(INSTALL, 'utf8'));

  it('with default parameters the addon has exactly the objects of manifests/install.yaml', async (t) => {
    assert.deepEqual(byName(objectsOf(await render(t, {}))), byName(await installed()));
  });

  const changes: readonly (readonly [parameters: object, change: (deployment: V1Deployment) => void])[] = [
    [
      { image: `${IMAGE}:2.0.0` },
      ({ spec }) => Object.assign(spec?.template.spec?.containers[0] ?? {}, { image: `${IMAGE}:2.0.0` }),
    ],
    [{ replicas: 0 }, ({ spec }) => Object.assign(spec ?? {}, { replicas: 0 })],
    [
      { imagePullSecrets: ['a', 'registry.example.com'] },
      ({ spec }) =>
        Object.assign(spec?.template.spec ?? {}, {
          imagePullSecrets: [{ name: 'a' }, { name: 'registry.example.com' }],
        }),
    ],
  ];
  for (const [parameters, change] of changes) {
    it(`the parameters ${JSON.stringify(parameters)} change only their field of the Deployment`, async (t) => {
      const expected = await installed();
      change(deploymentOf(expected));
      const rendered = byName(objectsOf(await render(t, parameters)));
      assert.deepEqual(rendered, byName(expected));
      assert.notDeepEqual(rendered, byName(await installed()));
    });
  }

  it('KubeVela applies the Deployment after all other objects, and deletes it before them', async (t) => {
    const { apiVersion, kind, spec } = await render(t, {});
    assert.deepEqual([apiVersion, kind], ['core.oam.dev/v1beta1', 'Application']);
    const [base, daemon, ...others] = spec.components;
    assert.deepEqual(others, []);
    assert.deepEqual([base?.type, daemon?.type], ['k8s-objects', 'k8s-objects']);
    assert.deepEqual(
      daemon?.properties.objects.map(({ kind }) => kind),
      ['Deployment'],
    );
    assert.deepEqual([base?.dependsOn, daemon?.dependsOn], [undefined, [base?.name]]);
    assert.deepEqual(
      spec.policies.map((policy) => ({ ...policy, name: '' })),
      [{ name: '', type: 'garbage-collect', properties: { order: 'dependency' } }],
    );
  });

  const refused: readonly (readonly [parameters: object, firstLine: RegExp])[] = [
    [{ image: '' }, /^given\.image: invalid value "" \(out of bound =~/],
    [{ image: 'a b' }, /^given\.image: invalid value "a b" \(out of bound =~/],
    [{ image: 5 }, /^parameter\.image: conflicting values 5 and string/],
    [{ replicas: -1 }, /^given\.replicas: invalid value -1 \(out of bound >=0\)/],
    [{ replicas: 2 ** 31 }, /^given\.replicas: invalid value 2147483648 \(out of bound <=2147483647\)/],
    [{ replicas: 1.5 }, /^parameter\.replicas: conflicting values 1\.5 and int/],
    [{ replicas: 'two' }, /^parameter\.replicas: conflicting values "two" and int/],
    [{ imagePullSecrets: 'a' }, /^parameter\.imagePullSecrets: conflicting values "a" and \[\.\.\.string\]/],
    [{ imagePullSecrets: ['A'] }, /^given\.imagePullSecrets\.0\.name: invalid value "A" \(out of bound =~/],
    [{ replica: 3 }, /^parameter\.replica: field not allowed/],
    [{ clusters: ['local'] }, /^parameter\.clusters: field not allowed/],
  ];
  for (const [parameters, stderr] of refused) {
    it(`CUE refuses the parameters ${JSON.stringify(parameters)}, and the first line of its error names the parameter`, async (t) => {
      await assert.rejects(render(t, parameters), { stderr });
    });
  }

  it('the CUE files of the addon that are written by hand have the format of cue fmt', async (t) => {
    await cue(await aFolder(t), 'fmt', '--check', 'parameter.cue', 'template.cue');
  });

  describe('on a control plane', () => {
    let cluster: Cluster;
    before(async () => {
      cluster = await startCluster();
    });
    after(() => cluster?.stop());

    it('an API server accepts the objects of the addon with every parameter set', async (t) => {
      const objects = objectsOf(
        await render(t, { image: `${IMAGE}@sha256:${'a1'.repeat(32)}`, replicas: 3, imagePullSecrets: ['registry'] }),
      );
      const list = JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects });
      const apply = ['apply', '--server-side', '--force-conflicts', '--field-manager=kubevela', '-f', '-'];
      const out = await kubectl(cluster.kubeconfig, apply, list);
      assert.equal(out.trim().split('\n').length, objects.length, out);
      const get = ['-n', 'vela-system', 'get', 'deployment', 'terraform-daemon', '-o', 'json'];
      const deployment: V1Deployment = JSON.parse(await kubectl(cluster.kubeconfig, get));
      assert.equal(deployment.spec?.replicas, 3);
      assert.deepEqual(deployment.spec?.template.spec?.imagePullSecrets, [{ name: 'registry' }]);
    });
  });
});
