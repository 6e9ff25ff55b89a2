import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';

export interface User {
  readonly name: string;
  /** Default: the groups of a service account if `name` is one, else only `system:authenticated`. */
  readonly groups?: readonly string[];
}

export interface UserToken extends User {
  readonly token: string;
  readonly kubeconfig: string;
}

/**
 * Returns the user with a new token. `kubeconfig` is the path below `folder` for the kubeconfig file, which
 * `writeKubeconfig` writes later.
 */
export function withToken({ name, groups = serviceAccountGroups(name) }: User, folder: string): UserToken {
  const kubeconfig = join(folder, `${encodeURIComponent(name)}.kubeconfig`);
  return { name, groups, kubeconfig, token: randomBytes(24).toString('hex') };
}

/**
 * Returns the CSV for `--token-auth-file`: token, name, uid, groups. The API server reads the file only at its start.
 */
export function tokenFile(users: readonly UserToken[]): string {
  const quoted = (value: string) => `"${value.replaceAll('"', '""')}"`;
  const lines = users.map(({ token, name, groups = [] }) =>
    [token, name, name, groups.join(',')].map(quoted).join(','),
  );
  return `${lines.join('\n')}\n`;
}

/** Writes the kubeconfig of a user as JSON. kubectl reads it, because every JSON text is YAML. */
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

/**
 * Returns the groups of a service account: `system:serviceaccounts` and the group of its namespace. Returns no group for
 * another user. See https://kubernetes.io/docs/reference/access-authn-authz/service-accounts-admin/
 */
function serviceAccountGroups(name: string): readonly string[] {
  const namespace = /^system:serviceaccount:([^:]+):[^:]+$/.exec(name)?.[1];
  return namespace === undefined ? [] : ['system:serviceaccounts', `system:serviceaccounts:${namespace}`];
}
