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
 * Reads the files of options again while the daemon runs. If a file cannot be used, its last good content stays in force.
 *
 * @param trustClients verifies client certificates by a bundle from now on.
 */
export function createReloads(
  { policies, clientCa, log, metrics, events }: ReloadDependencies,
  trustClients: (bundle: Pem) => void,
) {
  /** Returns whether another policy is in force now. */
  function reloadPolicy(): boolean {
    const read = policies.reload();
    if (read === 'unchanged') return false;
    const isLoaded = 'value' in read;
    const action = 'load-policy';
    metrics.policyRead(isLoaded);
    if (isLoaded) {
      const rules = ruleNames(read.value);
      log.info('policy loaded', { rules });
      const note = `The policy was changed; its rules: ${rules.join(', ')}.`;
      events.emit({ type: 'Normal', action, reason: 'policy-loaded', note });
    } else {
      const { problems } = read;
      log.error('policy file invalid, keeping the last valid policy', { code: 'POLICY_INVALID', problems });
      const note = `The policy file cannot be used, the last good policy stays: ${problems.join('; ')}`;
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
      const note = 'The file of --client-ca-file has changed: client certificates are verified with it from now on.';
      events.emit({ type: 'Normal', action, reason: 'client-ca-loaded', note });
    } else {
      const problem = read.problems.join('; ');
      const code = 'CLIENT_CA_INVALID';
      log.error('client CA bundle invalid, keeping the last valid one', { code, problem });
      const note = `The file of --client-ca-file cannot be used, the last good authorities stay: ${problem}`;
      events.emit({ type: 'Warning', action, reason: code, note });
    }
  }
  return {
    reloadPolicy,
    reloadClientCa,
    /** Both: not every file system reports a change. */
    reloadAll() {
      reloadPolicy();
      reloadClientCa();
    },
  };
}

export const ruleNames = ({ rules }: Policy): string[] => rules.map(({ name }) => name);
