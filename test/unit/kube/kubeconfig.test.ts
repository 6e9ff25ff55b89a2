import assert from 'node:assert/strict';
import { chmod } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { readKubeconfig } from '../../../src/kube/kubeconfig.ts';
import { aFolder } from '../../support/builders/a-folder.ts';

// test/cluster/kubeconfig.test.ts has the kubeconfigs on which kubectl and the daemon agree.

interface Given {
  readonly cluster?: object;
  readonly user?: object;
  readonly env?: Readonly<Record<string, string>>;
}

async function problemsOf(t: TestContext, { cluster, user, env }: Given): Promise<readonly string[]> {
  const kubeconfig = JSON.stringify({
    'current-context': 'here',
    clusters: [{ name: 'here', cluster: { server: 'https://api.example.test', ...cluster } }],
    contexts: [{ name: 'here', context: { cluster: 'here', user: 'me' } }],
    users: [{ name: 'me', user: { token: 'S3CRET', ...user } }],
  });
  const folder = await aFolder(t, { kubeconfig });
  const read = readKubeconfig(join(folder, 'kubeconfig'), env ?? {});
  return 'problems' in read ? read.problems.map((problem) => problem.replace(`${folder}/`, '')) : [];
}

describe('a kubeconfig', () => {
  test('without any invalid field is accepted', async (t) => {
    assert.deepEqual(await problemsOf(t, {}), []);
  });

  for (const name of ['as-groups', 'as-uid', 'as-user-extra']) {
    test(`with ${name} is refused, because the client would be another user without it`, async (t) => {
      assert.deepEqual(await problemsOf(t, { user: { [name]: ['a'] } }), [
        `kubeconfig: users["me"].user.${name}: not supported: must be absent`,
      ]);
    });
  }

  test('is refused if HTTPS_PROXY is no proxy URL, and the problem shows no password', async (t) => {
    assert.deepEqual(await problemsOf(t, { env: { HTTPS_PROXY: 'ftp://me:S3CRET@proxy' } }), [
      '$https_proxy or $HTTPS_PROXY: invalid value: must be a URL that begins with http://, https:// or socks5://',
    ]);
  });

  test('reports all its problems, and no secret', async (t) => {
    const cluster = { server: 'http://x', 'insecure-skip-tls-verify': 'yes', 'proxy-url': 'socks4://me:S3CRET@x' };
    const user = { token: ['S3CRET'], 'client-key-data': 5, username: { S3CRET: 1 } };
    assert.deepEqual([...(await problemsOf(t, { cluster, user }))].sort(), [
      'kubeconfig: clusters["here"].cluster.insecure-skip-tls-verify: invalid value: must be true or false',
      'kubeconfig: clusters["here"].cluster.proxy-url: invalid value: must be a URL that begins with http://, https:// or socks5://',
      'kubeconfig: clusters["here"].cluster.server: invalid value "http://x": must be an https URL',
      'kubeconfig: users["me"].user.client-key-data: invalid value: must be a string',
      'kubeconfig: users["me"].user.token: invalid value: must be a string',
      'kubeconfig: users["me"].user.username: invalid value: must be a string',
    ]);
  });

  test('reports the fields of an exec plugin that have a wrong type', async (t) => {
    const exec = { apiVersion: 'x', command: ['a'], args: [1], env: [{ name: '' }], interactiveMode: 'no' };
    const at = 'kubeconfig: users["me"].user.exec';
    assert.deepEqual(await problemsOf(t, { user: { token: undefined, exec } }), [
      `${at}.apiVersion: invalid value "x": must be one of client.authentication.k8s.io/v1, client.authentication.k8s.io/v1beta1`,
      `${at}.interactiveMode: invalid value "no": must be one of Never, IfAvailable, Always`,
      `${at}.args: invalid value: must be a list of strings`,
      `${at}.env: invalid value: must be a list of objects with the strings name and value`,
      `${at}.command: invalid value a list: must be an executable file or a program in $PATH`,
    ]);
  });

  test('with an exec plugin without the ending of its file is accepted if PATHEXT lists the ending, as on Windows', async (t) => {
    const folder = await aFolder(t, { 'login.EXE': '' });
    await chmod(join(folder, 'login.EXE'), 0o755);
    const exec = { apiVersion: 'client.authentication.k8s.io/v1', interactiveMode: 'Never' };
    for (const command of ['login', 'login.EXE', join(folder, 'login')]) {
      const user = { token: undefined, exec: { ...exec, command } };
      assert.deepEqual(await problemsOf(t, { user, env: { PATH: folder, PATHEXT: '.COM;.EXE' } }), []);
    }
    const missing = await problemsOf(t, {
      user: { token: undefined, exec: { ...exec, command: 'login' } },
      env: { PATH: folder },
    });
    assert.equal(missing.length, 1);
  });

  test('reports a certificate authority that is missing and that an exec plugin would get', async (t) => {
    const apiVersion = 'client.authentication.k8s.io/v1';
    const exec = { apiVersion, command: '/bin/sh', interactiveMode: 'Never', provideClusterInfo: true };
    const cluster = { 'certificate-authority': '/no/ca.pem' };
    assert.deepEqual(await problemsOf(t, { cluster, user: { token: undefined, exec } }), [
      `kubeconfig: clusters["here"].cluster.certificate-authority: ENOENT: no such file or directory, access '/no/ca.pem': must be a readable file`,
    ]);
  });

  test('that does not exist is reported only if the option names it', () => {
    const env = { KUBECONFIG: '/no/file:/no/other' };
    assert.deepEqual(readKubeconfig(undefined, env), {
      problems: ['not set: neither a service account nor a file of $KUBECONFIG (/no/file:/no/other) was found'],
    });
    assert.deepEqual(readKubeconfig(undefined, { HOME: '/no' }), {
      problems: ['not set: neither a service account nor /no/.kube/config was found'],
    });
    assert.deepEqual(readKubeconfig('/no/file', env), {
      problems: ["ENOENT: no such file or directory, open '/no/file': must be a readable kubeconfig file"],
    });
  });
});
