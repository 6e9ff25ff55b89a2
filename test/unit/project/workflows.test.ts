import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { describe, it } from 'node:test';
import { loadYaml } from '@kubernetes/client-node';
import { projectFile, readDocument } from '../../support/docs.ts';

interface Job {
  readonly uses?: string;
  readonly permissions?: object;
  readonly 'timeout-minutes'?: number;
}

interface Update {
  readonly 'package-ecosystem': string;
  readonly directory?: string;
  readonly directories?: readonly string[];
}

/**
 * The go.mod files that Dependabot does not update. Each terraform-controller is a release or commit that users have.
 * tools/flux has no program, so `go mod tidy` would remove its requirements. tools/addon has the version of CUE that
 * KubeVela has.
 */
const KEPT = /^\/tools\/(control-plane\/terraform-controller|flux|addon)\//;

const FOLDER = '.github/workflows/';
const files = (await readdir(projectFile(FOLDER))).map((name) => FOLDER + name);

describe('the GitHub workflows', () => {
  for (const file of files) {
    it(`${file} gives each job its own permissions and a time limit`, async () => {
      const { permissions, jobs } = loadYaml<{ permissions: object; jobs: Record<string, Job> }>(
        await readDocument(file),
      );
      assert.deepEqual(permissions, {});
      for (const [name, job] of Object.entries(jobs)) {
        assert.ok(job.permissions, name);
        // A job that calls a workflow has the time limit of the jobs of that workflow.
        if (job.uses === undefined) assert.ok(job['timeout-minutes'], name);
      }
    });

    it(`${file} names each action by a commit, with its version as a comment`, async () => {
      const uses = (await readDocument(file)).match(/(?<=\buses: ).*/g) ?? [];
      assert.ok(uses.length > 0);
      for (const action of uses) assert.match(action, /^(?:\.\/\S+|[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+)$/);
    });
  }

  it('an action has the same commit in all workflows', async () => {
    const texts = await Promise.all(files.map(readDocument));
    const actions = new Set(texts.flatMap((text) => text.match(/(?<=\buses: )[\w-]+\/.*/g) ?? []));
    const repositories = [...actions].map((action) => action.replace(/^([\w-]+\/[\w-]+).*(@.*)$/, '$1$2'));
    const commits = new Set(repositories);
    assert.equal(
      new Set([...commits].map((action) => action.split('@')[0])).size,
      commits.size,
      [...commits].join('\n'),
    );
  });
});

describe('.github/dependabot.yml', async () => {
  const { updates } = loadYaml<{ updates: readonly Update[] }>(await readDocument('.github/dependabot.yml'));
  const folders = (ecosystem: string) =>
    updates
      .filter((update) => update['package-ecosystem'] === ecosystem)
      .flatMap(({ directory, directories = [] }) => (directory === undefined ? directories : [directory]));

  it('Dependabot updates the dependencies of each go.mod, Cargo.toml, package.json, requirements.txt and Dockerfile', () => {
    const ecosystems = {
      ...{ gomod: 'go.mod', cargo: 'Cargo.toml', npm: 'package.json' },
      ...{ pip: 'requirements.txt', docker: 'Dockerfile' },
    };
    for (const [ecosystem, name] of Object.entries(ecosystems)) {
      const listed = execFileSync('git', ['ls-files', name, `*/${name}`], { cwd: projectFile('.'), encoding: 'utf8' });
      const there = listed
        .trim()
        .split('\n')
        .map((file) => `/${dirname(file)}`.replace('/.', '/'));
      const wanted = there
        .filter((folder) => !KEPT.test(`${folder}/`))
        .map((folder) => folder.replace(/\/1\.\d+$/, '/*'));
      assert.deepEqual(folders(ecosystem).toSorted(), [...new Set(wanted)].toSorted(), ecosystem);
    }
  });

  it('Dependabot updates the actions of the workflows', () => assert.deepEqual(folders('github-actions'), ['/']));
});

interface Form {
  readonly body: readonly { readonly id?: string; readonly attributes: { readonly label?: string } }[];
}

describe('the issue forms', async () => {
  const folder = '.github/ISSUE_TEMPLATE/';
  const names = (await readdir(projectFile(folder))).filter((name) => name !== 'config.yml');
  for (const name of names) {
    it(`each field of ${folder}${name} has a label, and an id of its own`, async () => {
      const { body } = loadYaml<Form>(await readDocument(folder + name));
      const fields = body.filter(({ id }) => id !== undefined);
      assert.ok(fields.length > 2);
      assert.equal(new Set(fields.map(({ id }) => id)).size, fields.length);
      for (const { id, attributes } of fields) assert.ok(attributes.label, id);
    });
  }
});
