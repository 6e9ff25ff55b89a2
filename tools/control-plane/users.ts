import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';

export interface User {
  readonly name: string;
  /** By default those that the API server gives a service account of this name, else none but `system:authenticated`. */
  readonly groups?: readonly string[];
}

export interface UserToken extends User {
  readonly token: string;
  readonly kubeconfig: string;
}

/** Gives a user a token, and a path of its own below `folder` for the kubeconfig that `writeKubeconfig` writes. */
export function withToken({ name, groups = serviceAccountGroups(name) }: User, folder: string): UserToken {
  const kubeconfig = join(folder, `${encodeURIComponent(name)}.kubeconfig`);
  return { name, groups, kubeconfig, token: randomBytes(24).toString('hex') };
}

/** The CSV that `--token-auth-file` wants: token, name, uid, groups. The API server reads it at its start only. */
export function tokenFile(users: readonly UserToken[]): string {
  const quoted = (value: string) => `"${value.replaceAll('"', '""')}"`;
  const lines = users.map(({ token, name, groups = [] }) =>
    [token, name, name, groups.join(',')].map(quoted).join(','),
  );
  return `${lines.join('\n')}\n`;
}

/** Written as JSON, which every reader of YAML reads. */
export async function writeKubeconfig(user: UserToken, server: string, caFile: string): Promise<void> {
  const name = 'control-plane';
  const kubeconfig = {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name, cluster: { server, 'certificate-authority': caFile } }],
    users: [{ name: user.name, user: { token: user.token } }],
    contexts: [{ name, context: { cluster: name, user: user.name, namespace: 'default' } }],
    'current-context': name,
  };
  await writeFile(user.kubeconfig, `${JSON.stringify(kubeconfig, null, 2)}\n`, { mode: 0o600 });
}

/** https://kubernetes.io/docs/reference/access-authn-authz/service-accounts-admin/ */
function serviceAccountGroups(name: string): readonly string[] {
  const namespace = /^system:serviceaccount:([^:]+):[^:]+$/.exec(name)?.[1];
  return namespace === undefined ? [] : ['system:serviceaccounts', `system:serviceaccounts:${namespace}`];
}
