import { rotationFacts } from '../../certs/rotation-status.ts';
import { askedFor } from '../../certs/secret-annotations.ts';
import { MANAGED_BY_LABEL } from '../../certs/secret-ownership.ts';
import { parseCertificate, renewalMoment } from '../../certs/x509.ts';
import type { Config } from '../../cli/config.ts';
import { exitCodes } from '../../cli/exit-codes.ts';
import { OperatorError } from '../../lib/errors.ts';
import type { Pem } from '../../lib/pem.ts';
import { ownWebhook } from '../../registration/desired.ts';
import { createReport as createAppliesReport } from '../applies/report.ts';
import { certificateFacts } from './certificate-facts.ts';
import { type Finding, findingsOf } from './findings.ts';
import { type Observations, observe, type ProbeResult, type Readings } from './observations.ts';

/** The results of `inspect` and their exit codes. Code 2 is reserved for usage errors. */
export const verdicts = {
  healthy: { exitCode: exitCodes.done, meaning: 'all checks ran, the endpoint was called, and no problem was found' },
  unhealthy: { exitCode: exitCodes.failed, meaning: 'at least one problem was found' },
  incomplete: { exitCode: exitCodes.incomplete, meaning: 'no problem was found, but the endpoint was not called' },
} as const;

/** The report that `inspect -o json` prints, with null for unknown values. It contains no private key. */
export type InspectionReport = ReturnType<typeof createReport>;

export function createReport(readings: Readings, config: Config, now: Date) {
  const observations = observe(readings, config, now);
  const { set } = observations.secret;
  const problems = findingsOf(observations);
  return {
    /** Version of the format of `-o json`. A new version means that a field was renamed or removed. */
    format: 1,
    at: now,
    verdict: verdictOf(problems, readings.endpoint),
    problems,
    daemon: { lastFailure: observations.failure },
    certificateAuthority: certificateFacts(set?.ca.certificate, now),
    nextCertificateAuthority: certificateFacts(set?.nextCa?.certificate, now),
    serving: certificateFacts(set?.serving.certificate, now),
    secret: secretSection(observations),
    registration: registrationSection(observations),
    endpoint: endpointSection(observations),
    rotation: set && rotationFacts(set, config.certificates),
    applies: appliesSection(readings.applies, now),
    next: { renewal: renewalOf(set?.serving.certificate), caRotation: renewalOf(set?.ca.certificate) },
  } as const;
}

/** Returns `unhealthy` if there is a finding, else `incomplete` if the endpoint was not called, else `healthy`. */
function verdictOf(findings: readonly Finding[], { outcome }: ProbeResult): keyof typeof verdicts {
  if (findings.length > 0) return 'unhealthy';
  return outcome === 'not-dialled' ? 'incomplete' : 'healthy';
}

const secretSection = ({ config, secret: { state, stored, isPaused } }: Observations) => ({
  reference: `${config.namespace}/${config.secretName}`,
  state,
  type: stored?.type,
  managedBy: stored?.labels[MANAGED_BY_LABEL],
  isPaused,
  rotateAsked: stored && askedFor(stored),
});

function registrationSection({ config, now, registration }: Observations) {
  const { state, live, calls, trusts, unreadable, drift, selected } = registration;
  return {
    name: config.registration.name,
    state,
    calls,
    failurePolicy: ownWebhook(live)?.failurePolicy,
    trusts: trusts.flatMap(({ pem, ...trust }) => {
      const certificate = certificateFacts(pem, now);
      return certificate ? [{ ...certificate, ...trust }] : [];
    }),
    unreadable,
    drift,
    selectors: selected.requirements,
  };
}

function endpointSection({ now, registration, endpoint, isOfSecret }: Observations) {
  const isAnswer = endpoint.outcome === 'answered';
  return {
    outcome: endpoint.outcome,
    address: 'address' in endpoint ? endpoint.address : undefined,
    serverName: registration.serverName,
    why: endpoint.why,
    /** Commands that probe the endpoint. */
    how: 'how' in endpoint ? endpoint.how : [],
    certificate: isAnswer ? certificateFacts(endpoint.certificate, now) : undefined,
    isVerified: isAnswer ? endpoint.why === undefined : undefined,
    isOfSecret,
  };
}

/** Returns the failed and running Jobs; `undefined` if they were not read, as for the text report. */
function appliesSection(read: Readings['applies'], now: Date) {
  if (read === undefined) return undefined;
  if (read instanceof OperatorError) return { state: 'failed', problem: read.message, runs: [], notes: [] } as const;
  if (typeof read === 'string') return { state: 'refused', problem: undefined, runs: [], notes: [] } as const;
  const { applies, notes } = createAppliesReport(read, now);
  return { state: 'present', problem: undefined, runs: applies, notes } as const;
}

function renewalOf(pem: Pem | undefined): Date | undefined {
  const certificate = parseCertificate(pem ?? '');
  return certificate && renewalMoment(certificate);
}
