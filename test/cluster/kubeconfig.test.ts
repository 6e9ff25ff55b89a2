import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { after, before, describe, type TestContext, test } from 'node:test';
import { promisify } from 'node:util';
import { connect } from '../../src/kube/client.ts';
import { readKubeconfig } from '../../src/kube/kubeconfig.ts';
import { asObject } from '../../src/lib/json.ts';
import { ensureBinaries } from '../../tools/control-plane/binaries.ts';
import { aFolder } from '../support/builders/a-folder.ts';
import {
  type ClientAuthority,
  type ClientCertificate,
  clientAuthority,
} from '../support/builders/client-certificates.ts';
import { type Cluster, startCluster } from '../support/cluster/cluster.ts';
import { spawnCommand } from '../support/cluster/command.ts';
import { startHttpProxy, startSocksProxy } from '../support/cluster/proxies.ts';
import { eventually } from '../support/eventually.ts';

/*
 * Each kubeconfig is given to kubectl and to the daemon's client. Both must be the same user, or both must fail.
 */

const run = promisify(execFile);
const [ALICE, BOB] = ['alice', 'bob'];

/** What a kubeconfig of a test is made of. */
interface Parts {
  readonly folder: string;
  readonly server: string;
  readonly caFile: string;
  readonly token: string;
  readonly bobsToken: string;
  readonly adminToken: string;
  readonly certificate: ClientCertificate;
}

let cluster: Cluster;
let shared: Omit<Parts, 'folder'>;
let kubectl: string;
let folderOfAll: string;
let authority: ClientAuthority;
before(async () => {
  folderOfAll = await mkdtemp(join(tmpdir(), 'terraform-daemon-test-'));
  authority = await clientAuthority(folderOfAll);
  cluster = await startCluster({
    users: [{ name: ALICE }, { name: BOB }],
    apiServerArgs: [`--client-ca-file=${authority.caFile}`],
  });
  const [certificate, admin, alice, bob] = await Promise.all([
    authority.issue(ALICE),
    readJson(cluster.kubeconfig),
    readJson(cluster.kubeconfigFor(ALICE)),
    readJson(cluster.kubeconfigFor(BOB)),
  ]);
  shared = {
    server: cluster.url,
    caFile: alice.clusters[0].cluster['certificate-authority'],
    token: alice.users[0].user.token,
    bobsToken: bob.users[0].user.token,
    adminToken: admin.users[0].user.token,
    certificate,
  };
  ({ kubectl } = await ensureBinaries(['kubectl']));
});
after(async () => {
  await cluster?.stop();
  await rm(folderOfAll, { recursive: true, force: true });
});

const readJson = async (file: string) => JSON.parse(await readFile(file, 'utf8'));

interface Given {
  readonly cluster?: object;
  readonly user?: object;
  /** Replaces fields of the whole file. */
  readonly file?: object;
}

const kubeconfig = ({ server, caFile, token }: Parts, { cluster: more, user = { token }, file }: Given = {}): string =>
  JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'here',
    contexts: [{ name: 'here', context: { cluster: 'here', user: 'me' } }],
    clusters: [{ name: 'here', cluster: { server, 'certificate-authority': caFile, ...more } }],
    users: [{ name: 'me', user }],
    ...file,
  });

/** An exec plugin. By default its output is a token. */
const plugin = (more: object = {}) => ({
  exec: { apiVersion: 'client.authentication.k8s.io/v1', command: './plugin', interactiveMode: 'Never', ...more },
});

const issued = (status: object, apiVersion = 'client.authentication.k8s.io/v1'): string =>
  JSON.stringify({ kind: 'ExecCredential', apiVersion, status });

const script = (...lines: readonly string[]): string => ['#!/bin/sh', ...lines, ''].join('\n');

async function write(folder: string, files: Readonly<Record<string, string>>): Promise<void> {
  for (const [name, content] of Object.entries(files)) {
    await writeFile(join(folder, name), content);
    if (content.startsWith('#!')) await chmod(join(folder, name), 0o755);
  }
}

type Env = Readonly<Record<string, string>>;

async function whoIsKubectl(folder: string, env: Env): Promise<string> {
  const whoami = run(kubectl, ['auth', 'whoami', '-o', 'jsonpath={.status.userInfo.username}'], {
    env: { PATH: process.env.PATH, HOME: folder, KUBERC: 'off', ...env },
    // Neither kubectl nor the daemon starts in the folder of the kubeconfig.
    cwd: '/',
  });
  // kubectl asks for a name and a password if there is no credential.
  whoami.child.stdin?.end();
  return (await whoami).stdout;
}

const REVIEW = { apiVersion: 'authentication.k8s.io/v1', kind: 'SelfSubjectReview' };

function connectWith(t: TestContext, folder: string, env: Env) {
  const read = readKubeconfig(undefined, { PATH: process.env.PATH, HOME: folder, ...env });
  if ('problems' in read) throw new Error(read.problems.join('\n'));
  const stop = new AbortController();
  t.after(() => stop.abort());
  const { callJson } = connect(read.value, stop.signal);
  return async (): Promise<unknown> => {
    const review = await callJson('POST', '/apis/authentication.k8s.io/v1/selfsubjectreviews', { body: REVIEW });
    return asObject(asObject(asObject(review).status).userInfo).username;
  };
}

interface Case {
  /** Files by name. The file `config` is the kubeconfig unless `env` names others. */
  files(parts: Parts): Readonly<Record<string, string>>;
  env?(parts: Parts): Env;
}

async function prepare(t: TestContext, { files, env }: Case): Promise<{ readonly folder: string; readonly env: Env }> {
  const folder = await aFolder(t);
  const parts = { folder, ...shared };
  await write(folder, files(parts));
  return { folder, env: { KUBECONFIG: join(folder, 'config'), ...env?.(parts) } };
}

const config = (
  given: (parts: Parts) => Given,
  more: (parts: Parts) => Readonly<Record<string, string>> = () => ({}),
) => ({
  files: (parts: Parts) => ({ config: kubeconfig(parts, given(parts)), ...more(parts) }),
});

describe('kubectl and the daemon are the same user', { concurrency: 3 }, () => {
  const withPlugin = (more: object, lines: (parts: Parts) => readonly string[]) =>
    config(
      () => ({ user: plugin(more) }),
      (parts) => ({ plugin: script(...lines(parts)) }),
    );
  const echo = (status: object) => [`echo '${issued(status)}'`];
  const cases: Readonly<Record<string, Case>> = {
    'with a token': config(() => ({})),
    'with tokenFile, relative to the kubeconfig, whose token ends with a line break': config(
      () => ({ user: { tokenFile: 'token' } }),
      ({ token }) => ({ token: `${token}\n` }),
    ),
    'with tokenFile and another token': config(
      ({ bobsToken }) => ({ user: { tokenFile: 'token', token: bobsToken } }),
      ({ token }) => ({ token }),
    ),
    'with a client certificate in files': config(({ certificate: { certFile, keyFile } }) => ({
      user: { 'client-certificate': certFile, 'client-key': keyFile },
    })),
    'with a client certificate as data': config(({ certificate: { cert, key } }) => ({
      user: { 'client-certificate-data': base64(cert), 'client-key-data': base64(key) },
    })),
    'with an exec plugin beside the kubeconfig that prints a token': withPlugin({}, ({ token }) => echo({ token })),
    'with an exec plugin that prints a client certificate': withPlugin({}, ({ certificate: { cert, key } }) =>
      echo({ clientCertificateData: cert, clientKeyData: key }).map((line) => line.replaceAll('\\n', '\\\\n')),
    ),
    'with an exec plugin of v1beta1 without interactiveMode': config(
      () => ({ user: plugin({ apiVersion: 'client.authentication.k8s.io/v1beta1', interactiveMode: undefined }) }),
      ({ token }) => ({ plugin: script(`echo '${issued({ token }, 'client.authentication.k8s.io/v1beta1')}'`) }),
    ),
    'with an exec plugin in $PATH': {
      ...config(
        () => ({ user: plugin({ command: 'plugin' }) }),
        ({ token }) => ({ plugin: script(...echo({ token })) }),
      ),
      env: ({ folder }) => ({ PATH: `${folder}:${process.env.PATH}` }),
    },
    'with the args and the env of an exec plugin': withPlugin(
      { args: ['a b', '$HOME'], env: [{ name: 'KEY', value: 'v w' }] },
      ({ token }) => ['[ "$1|$2|$3|$KEY" = "a b|\\$HOME||v w" ] || exit 3', ...echo({ token })],
    ),
    'with args and env of an exec plugin that are null': withPlugin({ args: null, env: null }, ({ token }) =>
      echo({ token }),
    ),
    'with an exec plugin beside a token': config(
      ({ token }) => ({ user: { token, ...plugin() } }),
      ({ bobsToken }) => ({ plugin: script(...echo({ token: bobsToken })) }),
    ),
    'with an exec plugin whose token has expired at every call': withPlugin({}, ({ token }) =>
      echo({ token, expirationTimestamp: '2020-01-01T00:00:00Z' }),
    ),
    'with impersonation': config(({ adminToken: token }) => ({ user: { token, as: ALICE } })),
    'with tls-server-name': config(() => ({ cluster: { 'tls-server-name': 'kubernetes.default.svc' } })),
    'with tls-server-name that is an IP address': config(() => ({ cluster: { 'tls-server-name': '127.0.0.1' } })),
    'with insecure-skip-tls-verify': config(() => ({
      cluster: { 'certificate-authority': undefined, 'insecure-skip-tls-verify': true },
    })),
    'with a server that ends with a slash': config(({ server }) => ({ cluster: { server: `${server}/` } })),
    'with contexts, clusters and users that nothing uses and that are incomplete': config((parts) => {
      const { contexts, clusters, users } = JSON.parse(kubeconfig(parts));
      return {
        file: {
          contexts: [...contexts, { name: 'other', context: { cluster: '', user: '' } }],
          clusters: [...clusters, { name: 'other', cluster: { server: '' } }],
          users: [...users, { name: 'other', user: plugin({ command: '', apiVersion: 'x' }) }],
        },
      };
    }),
    'with YAML anchors': {
      files: (parts) => ({ config: kubeconfig(parts).replace('"user":{', '"user": &me {') }),
    },
    'with several files of which the first names the context': {
      files: (parts) => ({
        first: JSON.stringify({ 'current-context': 'here', users: [{ name: 'me', user: { token: parts.token } }] }),
        second: kubeconfig(parts, {
          user: { token: parts.bobsToken },
          file: { 'current-context': 'elsewhere' },
        }),
        third: kubeconfig(parts, { cluster: { server: 'https://127.0.0.1:1' } }),
        empty: '',
      }),
      env: ({ folder }) => ({
        KUBECONFIG: ['missing', 'empty', 'first', 'first', 'second', 'third']
          .map((name) => join(folder, name))
          .concat('')
          .join(delimiter),
      }),
    },
    'with the paths of each file relative to that file': {
      files: (parts) => ({
        token: parts.token,
        first: kubeconfig(parts, { user: { tokenFile: 'token' }, file: { clusters: [] } }),
        second: kubeconfig(parts, { file: { users: [] } }),
      }),
      env: ({ folder }) => ({ KUBECONFIG: `${join(folder, 'first')}${delimiter}${join(folder, 'second')}` }),
    },
  };
  for (const [name, given] of Object.entries(cases)) {
    test(`kubectl and the daemon are the same user ${name}`, async (t) => {
      const { folder, env } = await prepare(t, given);
      assert.equal(await whoIsKubectl(folder, env), ALICE);
      assert.equal(await connectWith(t, folder, env)(), ALICE);
    });
  }
});

const base64 = (text: string): string => Buffer.from(text).toString('base64');

describe('kubectl and the daemon both refuse', { concurrency: 3 }, () => {
  const exec = 'config: users\\["me"\\]\\.user\\.exec';
  const cases: Readonly<Record<string, readonly [Case, RegExp]>> = {
    'a context that does not exist': [
      config(() => ({ file: { 'current-context': 'gone' } })),
      /config: current-context: invalid value "gone": must be the name of a context$/,
    ],
    'a context whose user does not exist': [
      config(() => ({ file: { users: [] } })),
      /config: contexts\["here"\]\.context\.user: invalid value "me": must be the name of a user$/,
    ],
    'a context without a user': [
      config(() => ({ file: { contexts: [{ name: 'here', context: { cluster: 'here' } }] } })),
      /config: contexts\["here"\]\.context\.user: required: must be the name of a user$/,
    ],
    'a context whose cluster does not exist': [
      config(() => ({ file: { clusters: [] } })),
      /config: contexts\["here"\]\.context\.cluster: invalid value "here": must be the name of a cluster$/,
    ],
    'a tokenFile that does not exist': [
      config(() => ({ user: { tokenFile: 'gone' } })),
      /config: users\["me"\]\.user\.tokenFile: ENOENT: .*gone': must be a readable file$/,
    ],
    'a certificate authority in a file and as data': [
      config(() => ({ cluster: { 'certificate-authority-data': base64('x') } })),
      /config: clusters\["here"\]\.cluster\.certificate-authority: must be absent/,
    ],
    'a certificate authority that is not used': [
      config(() => ({ cluster: { 'insecure-skip-tls-verify': true } })),
      /insecure-skip-tls-verify: must be false/,
    ],
    'a client certificate without a key': [
      config(({ certificate }) => ({ user: { 'client-certificate': certificate.certFile } })),
      /client-key: required/,
    ],
    'a proxy of an unknown kind': [
      config(() => ({ cluster: { 'proxy-url': 'ftp://me:S3CRET@127.0.0.1:1' } })),
      /config: clusters\["here"\]\.cluster\.proxy-url: invalid value: must be a URL that begins with http:/,
    ],
    'a token that is no string': [
      config(() => ({ user: { token: 5 } })),
      /config: users\["me"\]\.user\.token: invalid value: must be a string$/,
    ],
    'the auth provider gcp': [
      config(() => ({ user: { 'auth-provider': { name: 'gcp', config: {} } } })),
      /auth-provider\.name: invalid value "gcp": must be oidc/,
    ],
    'an exec plugin of v1alpha1': [
      config(() => ({ user: plugin({ apiVersion: 'client.authentication.k8s.io/v1alpha1', command: 'true' }) })),
      new RegExp(`${exec}\\.apiVersion: invalid value "client\\.authentication\\.k8s\\.io/v1alpha1": must be one of`),
    ],
    'an exec plugin of v1 without interactiveMode': [
      config(() => ({ user: plugin({ interactiveMode: undefined, command: 'true' }) })),
      new RegExp(`${exec}\\.interactiveMode: required: must be one of Never, IfAvailable, Always$`),
    ],
    'an exec plugin that needs a terminal where there is none': [
      config(
        () => ({ user: plugin({ interactiveMode: 'Always' }) }),
        ({ token }) => ({ plugin: script(`echo '${issued({ token })}'`) }),
      ),
      /exec plugin ".*\/plugin": interactiveMode is Always, but stdin is not a terminal$/,
    ],
    'an exec plugin that is not installed, with its hint': [
      config(() => ({ user: plugin({ command: 'no-such-plugin', installHint: 'brew\n\tinstall no-such-plugin' }) })),
      new RegExp(
        `${exec}\\.command: invalid value "no-such-plugin": must be .* \\$PATH \\(brew install no-such-plugin\\)$`,
      ),
    ],
    'an exec plugin that is not executable': [
      config(
        () => ({ user: plugin() }),
        () => ({ plugin: 'text' }),
      ),
      new RegExp(`${exec}\\.command: invalid value "\\./plugin": must be`),
    ],
    'an exec plugin that fails': [
      config(
        () => ({ user: plugin() }),
        () => ({ plugin: script('exit 7') }),
      ),
      /exec plugin ".*\/plugin": failed with exit code 7/,
    ],
    'an exec plugin of another version than asked for': [
      config(
        () => ({ user: plugin() }),
        ({ token }) => ({ plugin: script(`echo '${issued({ token }, 'client.authentication.k8s.io/v1beta1')}'`) }),
      ),
      /invalid output: must be a JSON object of kind ExecCredential and apiVersion client\.authentication\.k8s\.io\/v1$/,
    ],
    'an exec plugin that prints no credential': [
      config(
        () => ({ user: plugin() }),
        () => ({ plugin: script(`echo '${issued({})}'`) }),
      ),
      /invalid output: status must have a token/,
    ],
    'an exec plugin that prints no JSON': [
      config(
        () => ({ user: plugin() }),
        () => ({ plugin: script('echo S3CRET') }),
      ),
      /invalid output: must be a JSON object/,
    ],
  };
  for (const [name, [given, problem]] of Object.entries(cases)) {
    test(`kubectl and the daemon both refuse ${name}`, async (t) => {
      const { folder, env } = await prepare(t, given);
      await assert.rejects(whoIsKubectl(folder, env));
      const error = await Promise.resolve()
        .then(() => connectWith(t, folder, env)())
        .then(
          () => 'no error',
          (error: Error) => error.message,
        );
      assert.match(error, problem);
      assert.doesNotMatch(error, /S3CRET/);
      assert.equal(error.split('\n').length, 1);
    });
  }
});

test('without a certificate authority, kubectl and the daemon trust those of the system', async (t) => {
  const given = config(() => ({ cluster: { 'certificate-authority': undefined } }));
  const { folder, env } = await prepare(t, given);
  const inspect = (more: Env) => spawnCommand(['inspect', `--kubeconfig=${env.KUBECONFIG}`], { env: more });
  await assert.rejects(whoIsKubectl(folder, env), /unknown authority/);
  assert.match((await inspect({})).stderr, /self-signed certificate/);
  const trusting = { SSL_CERT_FILE: shared.caFile };
  assert.equal(await whoIsKubectl(folder, { ...env, ...trusting }), ALICE);
  assert.equal((await inspect(trusting)).stderr, '');
});

describe('proxies', { concurrency: 3 }, () => {
  // No such host exists: only a proxy can lead to it.
  const api = { server: 'https://api.example.test:6443', 'tls-server-name': 'kubernetes.default.svc' };
  const target = 'api.example.test:6443';

  /** Returns the user names of kubectl and of the daemon, and the targets that the proxy was asked for. */
  async function callThrough(
    t: TestContext,
    given: (address: string) => { readonly cluster?: object; readonly env?: Env },
  ) {
    const proxy = await startHttpProxy(t, shared.server);
    const { cluster: more, env = {} } = given(proxy.address);
    const prepared = await prepare(t, { ...config(() => ({ cluster: { ...api, ...more } })), env: () => env });
    return [
      await whoIsKubectl(prepared.folder, prepared.env).catch(() => 'unreachable'),
      await connectWith(t, prepared.folder, prepared.env)().catch(() => 'unreachable'),
      [...new Set(proxy.targets)],
    ];
  }

  test('kubectl and the daemon use HTTPS_PROXY', async (t) => {
    const result = await callThrough(t, (address) => ({ env: { HTTPS_PROXY: `http://${address}` } }));
    assert.deepEqual(result, [ALICE, ALICE, [target]]);
  });

  test('kubectl and the daemon send the user and the password of https_proxy', async (t) => {
    const result = await callThrough(t, (address) => ({ env: { https_proxy: `http://me:a%40b@${address}` } }));
    assert.deepEqual(result, [ALICE, ALICE, [`me:a@b@${target}`]]);
  });

  test('kubectl and the daemon use proxy-url before HTTPS_PROXY and in spite of NO_PROXY', async (t) => {
    const result = await callThrough(t, (address) => ({
      cluster: { 'proxy-url': `http://${address}` },
      env: { HTTPS_PROXY: 'http://127.0.0.1:1', NO_PROXY: '*' },
    }));
    assert.deepEqual(result, [ALICE, ALICE, [target]]);
  });

  test('kubectl and the daemon do not use HTTPS_PROXY for a domain of NO_PROXY', async (t) => {
    const result = await callThrough(t, (address) => ({
      env: { HTTPS_PROXY: `http://${address}`, NO_PROXY: 'localhost,.example.test' },
    }));
    assert.deepEqual(result, ['unreachable', 'unreachable', []]);
  });

  test('kubectl and the daemon do not use HTTPS_PROXY for a loopback address', async (t) => {
    const result = await callThrough(t, (address) => ({
      cluster: { server: shared.server },
      env: { HTTPS_PROXY: `http://${address}` },
    }));
    assert.deepEqual(result, [ALICE, ALICE, []]);
  });

  test('kubectl and the daemon do not use HTTP_PROXY', async (t) => {
    const result = await callThrough(t, (address) => ({ env: { HTTP_PROXY: `http://${address}` } }));
    assert.deepEqual(result, ['unreachable', 'unreachable', []]);
  });

  for (const [name, more] of [
    ['the proxy-url', (url: string) => ({ cluster: { ...api, 'proxy-url': url } })],
    ['HTTPS_PROXY', (url: string) => ({ env: { HTTPS_PROXY: url } })],
  ] as const) {
    test(`kubectl and the daemon use a SOCKS 5 proxy of ${name}`, async (t) => {
      const proxy = await startSocksProxy(t, shared.server);
      const given: { cluster?: object; env?: Env } = more(`socks5://${proxy.address}`);
      const { folder, env } = await prepare(t, {
        ...config(() => ({ cluster: given.cluster ?? api })),
        env: () => given.env ?? {},
      });
      assert.deepEqual([await whoIsKubectl(folder, env), await connectWith(t, folder, env)()], [ALICE, ALICE]);
      assert.deepEqual([...new Set(proxy.targets)], [target]);
    });
  }
});

describe('exec plugins', { concurrency: 3 }, () => {
  const extension = { name: 'client.authentication.k8s.io/exec', extension: { audience: 'here' } };
  for (const [name, given] of [
    ['without provideClusterInfo', { user: plugin() }],
    ['with provideClusterInfo', { user: plugin({ provideClusterInfo: true }) }],
    [
      'with provideClusterInfo, an extension and a server name',
      {
        user: plugin({ provideClusterInfo: true }),
        cluster: { 'tls-server-name': 'kubernetes.default.svc', extensions: [extension] },
      },
    ],
  ] as const) {
    test(`a plugin ${name} gets the same KUBERNETES_EXEC_INFO from kubectl and from the daemon`, async (t) => {
      const { folder, env } = await prepare(
        t,
        config(
          () => given,
          ({ token }) => ({
            plugin: script('printf %s "$KUBERNETES_EXEC_INFO" >"$(dirname "$0")/info"', `echo '${issued({ token })}'`),
          }),
        ),
      );
      const info = join(folder, 'info');
      assert.equal(await whoIsKubectl(folder, env), ALICE);
      const expected = await readJson(info);
      await rm(info);
      assert.equal(await connectWith(t, folder, env)(), ALICE);
      assert.deepEqual(await readJson(info), expected);
    });
  }

  /** A plugin whose first token is of a ServiceAccount that the test deletes, and what it prints after that. */
  async function prepareRevoked(t: TestContext, name: string, next: (parts: Parts) => string) {
    const namespace = 'default';
    await cluster.core.createNamespacedServiceAccount({ namespace, body: { metadata: { name } } });
    const audiences = ['https://kubernetes.default.svc'];
    const request = { namespace, name, body: { spec: { audiences, expirationSeconds: 600 } } };
    const { status } = await cluster.core.createNamespacedServiceAccountToken(request);
    const given = config(
      () => ({ user: plugin() }),
      (parts) => ({
        first: issued({ token: status?.token }),
        next: issued({ token: next(parts) }),
        plugin: script('cd "$(dirname "$0")"', 'echo run >>runs', '[ "$(wc -l <runs)" = 1 ] && cat first || cat next'),
      }),
    );
    const { folder, env } = await prepare(t, given);
    const whoami = connectWith(t, folder, env);
    assert.equal(await whoami(), `system:serviceaccount:${namespace}:${name}`);
    await cluster.core.deleteNamespacedServiceAccount({ namespace, name });
    const runs = async () => (await readFile(join(folder, 'runs'), 'utf8')).trim().split('\n').length;
    return { whoami, runs };
  }

  test('a plugin whose token is revoked is called again once, and the call succeeds', async (t) => {
    const { whoami, runs } = await prepareRevoked(t, 'renewed', ({ token }) => token);
    // The API server accepts a token that it has just authenticated for ten more seconds.
    let refused: unknown;
    await eventually(async () => assert.equal(await whoami().catch((error) => (refused = error)), ALICE));
    assert.deepEqual([refused, await runs()], [undefined, 2]);
    assert.equal(await whoami(), ALICE);
    assert.equal(await runs(), 2);
  });

  test('a plugin whose second token is revoked as well is called once for each call, which then fails', async (t) => {
    const { whoami, runs } = await prepareRevoked(t, 'refused', () => 'nonsense');
    await eventually(() => assert.rejects(whoami(), { code: 401 }));
    const before = await runs();
    assert.equal(before, 2);
    await assert.rejects(whoami(), { code: 401 });
    assert.equal(await runs(), before + 1);
  });

  test('calls at the same time share one run of the plugin', async (t) => {
    const { folder, env } = await prepare(
      t,
      config(
        () => ({ user: plugin() }),
        ({ token }) => ({ plugin: script('echo run >>"$(dirname "$0")/runs"', `echo '${issued({ token })}'`) }),
      ),
    );
    const whoami = connectWith(t, folder, env);
    assert.deepEqual(await Promise.all([whoami(), whoami(), whoami()]), [ALICE, ALICE, ALICE]);
    assert.equal(await readFile(join(folder, 'runs'), 'utf8'), 'run\n');
  });

  test('a new client certificate of the plugin is used at once', async (t) => {
    const expirationTimestamp = new Date().toISOString();
    const { folder, env } = await prepare(
      t,
      config(
        () => ({ user: plugin() }),
        ({ certificate: { cert, key } }) => ({
          credential: issued({ clientCertificateData: cert, clientKeyData: key, expirationTimestamp }),
          plugin: script('cat "$(dirname "$0")/credential"'),
        }),
      ),
    );
    const whoami = connectWith(t, folder, env);
    assert.equal(await whoami(), ALICE);
    const { cert, key } = await authority.issue(BOB);
    await writeFile(join(folder, 'credential'), issued({ clientCertificateData: cert, clientKeyData: key }));
    assert.equal(await whoami(), BOB);
  });

  test('a token file is read again for each call', async (t) => {
    const { folder, env } = await prepare(
      t,
      config(
        () => ({ user: { tokenFile: 'token' } }),
        ({ token }) => ({ token }),
      ),
    );
    const whoami = connectWith(t, folder, env);
    assert.equal(await whoami(), ALICE);
    await writeFile(join(folder, 'token'), shared.bobsToken);
    assert.equal(await whoami(), BOB);
  });
});
