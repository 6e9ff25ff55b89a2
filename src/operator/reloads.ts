import type { Pem } from '../lib/pem.ts';
import type { WatchedFile } from '../lib/watched-file.ts';
import type { Policy } from '../policy/policy.ts';
import type { Telemetry } from './report.ts';

export interface ReloadDependencies extends Telemetry {
  readonly policies: WatchedFile<Policy>;
  readonly clientCa: WatchedFile<Pem | undefined>;
}

export type Reloads = ReturnType<typeof createReloads>;

/**
 * Returns functions that read the policy file and the client CA file again. If a file is invalid, its last valid
 * content stays in force.
 *
 * @param trustClients makes the endpoint verify client certificates with another CA bundle.
 */
export function createReloads(
  { policies, clientCa, log, metrics, events }: ReloadDependencies,
  trustClients: (bundle: Pem) => void,
) {
  /** Returns whether a new policy came into force. */
  function reloadPolicy(): boolean {
    const read = policies.reload();
    if (read === 'unchanged') return false;
    const isLoaded = 'value' in read;
    const action = 'load-policy';
    metrics.policyRead(isLoaded);
    if (isLoaded) {
      const rules = ruleNames(read.value);
      log.info('policy loaded', { rules });
      const note = `A changed policy is in force. Its rules: ${rules.join(', ')}.`;
      events.emit({ type: 'Normal', action, reason: 'policy-loaded', note });
    } else {
      const { problems } = read;
      log.error('policy file invalid, keeping the last valid policy', { code: 'POLICY_INVALID', problems });
      const note = `The policy file is invalid, so the last valid policy stays in force: ${problems.join('; ')}`;
      events.emit({ type: 'Warning', action, reason: 'POLICY_INVALID', note });
    }
    return isLoaded;
  }
  function reloadClientCa(): void {
    const read = clientCa.reload();
    if (read === 'unchanged') return;
    const action = 'load-client-ca';
    if ('value' in read) {
      trustClients(read.value);
      log.info('client CA bundle loaded');
      const note =
        'The file of --client-ca-file has changed. The endpoint verifies client certificates with the new CAs.';
      events.emit({ type: 'Normal', action, reason: 'client-ca-loaded', note });
    } else {
      const problem = read.problems.join('; ');
      const code = 'CLIENT_CA_INVALID';
      log.error('client CA bundle invalid, keeping the last valid one', { code, problem });
      const note = `The file of --client-ca-file is invalid, so the last valid CAs stay in force: ${problem}`;
      events.emit({ type: 'Warning', action, reason: code, note });
    }
  }
  return {
    reloadPolicy,
    reloadClientCa,
    /** Reads the policy file and the client CA file again, because not every file system reports changes. */
    reloadAll() {
      reloadPolicy();
      reloadClientCa();
    },
  };
}

export const ruleNames = ({ rules }: Policy): string[] => rules.map(({ name }) => name);
