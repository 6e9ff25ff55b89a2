import type { CertificateSet } from './certs/certificate-set.ts';
import type { Held } from './certs/ensure.ts';
import type { Verdict } from './certs/judge.ts';
import { parseCertificate } from './certs/x509.ts';
import type { Log } from './log.ts';
import type { Metrics } from './metrics.ts';
import type { Registered } from './registration/reconcile.ts';

/** Tells what was decided and done: one line and one count for each, with the same word for the reason. */
export interface Report {
  certificatesJudged(verdict: Verdict, set: CertificateSet): void;
  /** A write that is needed is not made now. Told once, until something else is told. */
  held(verdict: Verdict, held: Held): void;
  registered(registered: Registered, name: string): void;
  swapped(certificate: string): void;
  /** A fight about an object: told once for each repair that is held back. */
  fought(object: string, writer: string | undefined, waitMs: number): void;
}

export function createReport(log: Log, metrics: Metrics): Report {
  return {
    certificatesJudged(verdict, set) {
      metrics.certificatesJudged(verdict);
      const { level, message } = wording[verdict.action];
      const reason = 'reason' in verdict ? { reason: verdict.reason } : {};
      const until = 'until' in verdict ? { until: verdict.until } : {};
      const fields = { action: verdict.action, ...reason, phase: set.phase, ...until };
      log[level](message, { ...fields, ...describeCertificate(set.serving.certificate) });
    },
    held(verdict, held) {
      const reason = 'reason' in verdict ? verdict.reason : verdict.action;
      log.warn('certificates not written', { held, action: verdict.action, reason });
    },
    registered({ result, drift }, name) {
      metrics.registered(result);
      if (result === 'held') log.warn('registration not written', { name, drift });
      else if (result !== 'unchanged') log.info(`registration ${result}`, { name, drift });
    },
    swapped(certificate) {
      log.info('serving certificate swapped', describeCertificate(certificate));
    },
    fought(object, writer, waitMs) {
      log.warn('somebody else undoes the repair again and again', { object, writer: writer ?? 'unknown', waitMs });
    },
  };
}

const wording = {
  keep: { level: 'debug', message: 'certificates kept' },
  renew: { level: 'info', message: 'certificates issued' },
  announce: { level: 'info', message: 'certificates issued' },
  replace: { level: 'info', message: 'certificates issued' },
  switch: { level: 'info', message: 'rotation advanced' },
  publish: { level: 'info', message: 'rotation advanced' },
  settle: { level: 'info', message: 'rotation advanced' },
  retire: { level: 'info', message: 'rotation advanced' },
  adopt: { level: 'info', message: 'certificates mended' },
  mend: { level: 'info', message: 'certificates mended' },
  recreate: { level: 'info', message: 'certificates mended' },
} as const satisfies Record<Verdict['action'], { readonly level: keyof Log; readonly message: string }>;

function describeCertificate(pem: string): object {
  const certificate = parseCertificate(pem);
  return { notAfter: certificate?.validToDate, fingerprint: certificate?.fingerprint256 };
}
