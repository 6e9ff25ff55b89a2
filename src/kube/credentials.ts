import { readFileSync } from 'node:fs';
import { type Credential, type IssuedCredential, issueCredential } from './exec-plugin.ts';
import type { Kubeconfig } from './kubeconfig.ts';

export interface Credentials {
  /** Returns the credential for one request. It overrides the fields of the kubeconfig's user. */
  read(): Promise<Credential>;
  /**
   * Called after the API server answered 401 to a request that began at this `performance.now()`. Returns whether the next
   * `read` issues another credential.
   */
  renew(requestedAtMs: number): boolean;
}

/**
 * Returns the credentials of a user.
 *
 * @param stop ends a plugin that is running.
 */
export function createCredentials({ tokenFile, exec }: Kubeconfig, stop: AbortSignal): Credentials {
  if (exec !== undefined) return createIssuedCredentials(() => issueCredential(exec, stop));
  const fixed = {};
  return {
    read: async () => (tokenFile === undefined ? fixed : { token: readFileSync(tokenFile, 'utf8').trim() }),
    renew: () => false,
  };
}

/** Issues a credential at the first read, after its expiry and after a 401. Reads at the same time share one issue. */
function createIssuedCredentials(issue: () => Promise<IssuedCredential>): Credentials {
  let latest: { readonly credential: Promise<IssuedCredential>; readonly startedAtMs: number } | undefined;
  function start(): Promise<IssuedCredential> {
    const started = { credential: issue(), startedAtMs: performance.now() };
    latest = started;
    started.credential.catch(() => {
      if (latest === started) latest = undefined;
    });
    return started.credential;
  }
  return {
    async read() {
      const seen = latest;
      if (!seen) return start();
      const credential = await seen.credential;
      if (Date.now() < credential.expiresAtMs) return credential;
      return latest === undefined || latest === seen ? start() : latest.credential;
    },
    renew(requestedAtMs) {
      if (latest === undefined || latest.startedAtMs >= requestedAtMs) return false;
      latest = undefined;
      return true;
    },
  };
}
