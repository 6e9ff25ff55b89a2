import { readFileSync } from 'node:fs';
import { isIPv6 } from 'node:net';
import type { Cluster, User } from '@kubernetes/client-node';
import { asObject } from '../lib/json.ts';
import { invalidValue, oneLine } from '../lib/text.ts';
import type { ExecPlugin } from './exec-plugin.ts';
import { readExec } from './exec-plugin-config.ts';
import {
  type Current,
  createFieldReader,
  type Entry,
  type Environment,
  findCurrent,
  type Problems,
} from './kubeconfig-files.ts';
import { ALLOWED_PROXY, isProxyUrl, proxyFromEnvironment } from './proxy.ts';

/** How to call one API server. Paths are absolute. */
export interface Kubeconfig {
  readonly cluster: Cluster;
  /** Without the credential that is in `tokenFile` or that `exec` issues. */
  readonly user: User;
  readonly tokenFile: string | undefined;
  readonly exec: ExecPlugin | undefined;
  /** The namespace that kubectl uses without `-n`: of the current context, of the Pod, or `default`. */
  readonly namespace: string;
}

const SERVICE_ACCOUNT = '/var/run/secrets/kubernetes.io/serviceaccount';

/** Returns the namespace of the Pod that this process runs in; `undefined` outside of a cluster. */
export function podNamespace(): string | undefined {
  try {
    return readFileSync(`${SERVICE_ACCOUNT}/namespace`, 'utf8').trim() || undefined;
  } catch {
    return undefined;
  }
}

/**
 * Reads and checks `file`, else the Pod's service account, else the files of `$KUBECONFIG`, else `~/.kube/config`. Returns all
 * problems, one line each: file, field, the value given, the values allowed.
 */
export function readKubeconfig(
  file: string | undefined,
  env: Environment = process.env,
): { readonly value: Kubeconfig } | { readonly problems: readonly string[] } {
  const problems: Problems = [];
  const isInPod = file === undefined && podNamespace() !== undefined;
  const current = isInPod ? serviceAccount(env) : findCurrent(file, env, problems);
  const value = current && checked(env, current, problems);
  if (problems.length > 0 || value === undefined) return { problems: problems.map(oneLine) };
  const proxyUrl = value.cluster.proxyUrl ?? proxyFromEnvironment(new URL(value.cluster.server), env);
  if (proxyUrl === undefined) return { value };
  if (!isProxyUrl(proxyUrl))
    return { problems: [`$https_proxy or $HTTPS_PROXY: invalid value: must be ${ALLOWED_PROXY}`] };
  return { value: { ...value, cluster: { ...value.cluster, proxyUrl } } };
}

/** https://kubernetes.io/docs/tasks/run-application/access-api-from-pod/ */
function serviceAccount({ KUBERNETES_SERVICE_HOST: host = '', KUBERNETES_SERVICE_PORT: port }: Environment): Current {
  const server = `https://${isIPv6(host) ? `[${host}]` : host}:${port}`;
  const file = 'service account';
  const cluster = { file, path: 'cluster', fields: { server, 'certificate-authority': `${SERVICE_ACCOUNT}/ca.crt` } };
  const user = { file, path: 'user', fields: { tokenFile: `${SERVICE_ACCOUNT}/token` } };
  return { cluster, user, namespace: podNamespace() };
}

function checked(env: Environment, current: Current, problems: Problems): Kubeconfig {
  const cluster = readCluster(current.cluster, problems);
  const { credentialed, ...user } = readUser(current.user, problems);
  // kubectl runs the plugin only if the user has no other credential.
  const exec = current.user.fields.exec && !credentialed ? readExec(env, current, problems) : undefined;
  const namespace = typeof current.namespace === 'string' && current.namespace ? current.namespace : 'default';
  return { ...user, cluster, exec, namespace };
}

function readCluster(entry: Entry, problems: Problems): Cluster {
  const { text, flag, fileOrData, report } = createFieldReader(entry, problems);
  const { server } = entry.fields;
  const isHttps = typeof server === 'string' && URL.parse(server)?.protocol === 'https:';
  if (!isHttps) report('server', invalidValue(server, 'an https URL'));
  const proxyUrl = text('proxy-url');
  // The value can contain a password.
  if (proxyUrl && !isProxyUrl(proxyUrl)) report('proxy-url', `invalid value: must be ${ALLOWED_PROXY}`);
  const ca = fileOrData('certificate-authority');
  const skipTLSVerify = flag('insecure-skip-tls-verify');
  if (skipTLSVerify && (ca.file || ca.data)) {
    report('insecure-skip-tls-verify', 'must be false, because a certificate authority is set');
  }
  const tlsServerName = text('tls-server-name');
  const name = 'of-the-current-context';
  return {
    name,
    server: isHttps ? server.replace(/\/$/, '') : undefined,
    proxyUrl,
    caFile: ca.file,
    caData: ca.data,
    skipTLSVerify,
    tlsServerName,
  } as Cluster;
}

/** Fields that change the user and that the client cannot send. */
const UNSUPPORTED = ['as-uid', 'as-groups', 'as-user-extra'] as const;

function readUser(entry: Entry, problems: Problems) {
  const { text, readableFile, fileOrData, report } = createFieldReader(entry, problems);
  for (const name of UNSUPPORTED.filter((name) => entry.fields[name])) report(name, 'not supported: must be absent');
  const authProvider = entry.fields['auth-provider'] || undefined;
  const provider = asObject(authProvider).name;
  if (authProvider && provider !== 'oidc') report('auth-provider.name', `${invalidValue(provider, 'oidc')}; use exec`);
  const [certificate, key] = [fileOrData('client-certificate'), fileOrData('client-key')];
  const hasCertificate = certificate.file || certificate.data;
  if (hasCertificate && !key.file && !key.data) report('client-key', 'required, because client-certificate is set');
  const [token, tokenFile, username] = [text('token'), readableFile('tokenFile'), text('username')];
  const user = {
    name: 'of-the-current-context',
    token,
    username,
    password: text('password') ?? '',
    certFile: certificate.file,
    certData: certificate.data,
    keyFile: key.file,
    keyData: key.data,
    impersonateUser: text('as'),
    authProvider,
  };
  return { user: user as User, tokenFile, credentialed: hasCertificate || tokenFile || token || username };
}
