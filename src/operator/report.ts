import { errorFields, type OperatorError } from '../lib/errors.ts';
import type { Log } from '../lib/log.ts';
import type { Policy } from '../policy/policy.ts';
import type { Events } from '../telemetry/events.ts';
import type { Metrics } from '../telemetry/metrics.ts';

/** Where the daemon reports what it decided and did; the word for the reason is the same in all three. */
export interface Telemetry {
  readonly log: Log;
  readonly metrics: Metrics;
  readonly events: Events;
}

/** Reports what the operator does beside its passes. */
export interface Report {
  /** A policy has come into force; `isFirst` at the start. */
  policyLoaded(policy: Policy, isFirst?: boolean): void;
  /** The last good policy stays in force. */
  policyRefused(problems: readonly string[]): void;
  /** Client certificates of other authorities are accepted from now on. */
  clientCaLoaded(): void;
  /** The last good authorities stay in force. */
  clientCaRefused(problem: string): void;
  /** A pass has failed. */
  failed(error: OperatorError, fields: object): void;
}

export function createReport({ log, metrics, events }: Telemetry): Report {
  return {
    policyLoaded({ rules }, isFirst = false) {
      metrics.policyRead(true);
      const names = rules.map(({ name }) => name);
      log.info('policy loaded', { rules: names });
      if (isFirst) return;
      const note = `The policy was changed; its rules: ${names.join(', ')}.`;
      events.emit({ type: 'Normal', action: 'load-policy', reason: 'policy-loaded', note });
    },
    policyRefused(problems) {
      metrics.policyRead(false);
      log.error('policy refused, the last good one stays', { code: 'POLICY_INVALID', problems });
      const note = `The policy file cannot be used, the last good policy stays: ${problems.join('; ')}`;
      events.emit({ type: 'Warning', action: 'load-policy', reason: 'POLICY_INVALID', note });
    },
    clientCaLoaded() {
      log.info('client certificate authorities loaded');
      const note = 'The file of --client-ca-file has changed: client certificates are verified with it from now on.';
      events.emit({ type: 'Normal', action: 'load-client-ca', reason: 'client-ca-loaded', note });
    },
    clientCaRefused(problem) {
      log.error('client certificate authorities refused, the last good ones stay', {
        code: 'CLIENT_CA_INVALID',
        problem,
      });
      const note = `The file of --client-ca-file cannot be used, the last good authorities stay: ${problem}`;
      const reason = 'CLIENT_CA_INVALID';
      events.emit({ type: 'Warning', action: 'load-client-ca', reason, note });
    },
    failed(error, fields) {
      log.error('reconcile failed, will try again', { ...fields, ...errorFields(error) });
      events.emit({ type: 'Warning', action: 'reconcile', reason: error.code, note: error.message });
    },
  };
}
