import type { V1MutatingWebhookConfiguration } from '@kubernetes/client-node';
import type { ServerNames } from '../../certs/certificate-set.ts';
import { type RotationFacts, rotationFacts } from '../../certs/rotation-status.ts';
import { type Asked, askedFor, MANAGED_BY_LABEL } from '../../certs/secret.ts';
import { parseCertificate, renewalMoment } from '../../certs/x509.ts';
import type { Config } from '../../cli/config.ts';
import type { Pem } from '../../lib/pem.ts';
import { ownWebhook } from '../../registration/desired.ts';
import { type CertificateFacts, certificateFacts } from './certificate-facts.ts';
import { type Finding, findingsOf } from './findings.ts';
import { type Observations, observe, type ProbeResult, type Readings, type TrustedAuthority } from './observations.ts';
import type { InspectionVerdict } from './verdicts.ts';

/** `-o json` prints this, with null for unknown values. It never contains a private key. */
export interface InspectionReport {
  /** Changes if a field is renamed or removed. */
  readonly format: 1;
  readonly at: Date;
  readonly verdict: InspectionVerdict;
  readonly problems: readonly Finding[];
  readonly certificateAuthority: CertificateFacts | undefined;
  readonly nextCertificateAuthority: CertificateFacts | undefined;
  readonly serving: CertificateFacts | undefined;
  readonly secret: {
    readonly reference: string;
    readonly state: Observations['secret']['state'];
    readonly type: string | undefined;
    readonly managedBy: string | undefined;
    readonly isPaused: boolean | undefined;
    readonly rotateAsked: Asked | undefined;
  };
  readonly registration: {
    readonly name: string;
    readonly state: Observations['registration']['state'];
    /** The Service or URL that the API server calls. */
    readonly calls: string | undefined;
    readonly failurePolicy: string | undefined;
    readonly trusts: readonly (CertificateFacts & Omit<TrustedAuthority, 'pem'>)[];
    readonly unreadable: number;
    readonly drift: readonly string[];
    /** The requirements of the selectors of our entry. */
    readonly selectors: readonly string[];
  };
  readonly endpoint: {
    readonly outcome: ProbeResult['outcome'];
    readonly address: string | undefined;
    readonly serverName: string;
    readonly why: string | undefined;
    /** Commands that probe the endpoint. */
    readonly how: readonly string[];
    readonly certificate: CertificateFacts | undefined;
    readonly isVerified: boolean | undefined;
    readonly isOfSecret: boolean | undefined;
  };
  readonly rotation: RotationFacts | undefined;
  readonly next: { readonly renewal: Date | undefined; readonly caRotation: Date | undefined };
}

export function createReport(readings: Readings, config: Config, now: Date): InspectionReport {
  const observations = observe(readings, config, now);
  const { set } = observations.secret;
  const problems = findingsOf(observations);
  return {
    format: 1,
    at: now,
    verdict: verdictOf(problems, readings.endpoint),
    problems,
    certificateAuthority: certificateFacts(set?.ca.certificate ?? '', now),
    nextCertificateAuthority: certificateFacts(set?.nextCa?.certificate ?? '', now),
    serving: certificateFacts(set?.serving.certificate ?? '', now),
    secret: secretSection(observations),
    registration: registrationSection(observations),
    endpoint: endpointSection(observations),
    rotation: set && rotationFacts(set, config.certificates),
    next: { renewal: renewalOf(set?.serving.certificate), caRotation: renewalOf(set?.ca.certificate) },
  };
}

/** Only an endpoint that was called can make the install healthy. */
function verdictOf(findings: readonly Finding[], { outcome }: ProbeResult): InspectionVerdict {
  if (findings.length > 0) return 'unhealthy';
  return outcome === 'not-dialled' ? 'incomplete' : 'healthy';
}

function secretSection({ config, secret: { state, stored, isPaused } }: Observations): InspectionReport['secret'] {
  return {
    reference: `${config.namespace}/${config.secretName}`,
    state,
    type: stored?.type,
    managedBy: stored?.labels[MANAGED_BY_LABEL],
    isPaused,
    rotateAsked: stored && askedFor(stored),
  };
}

function registrationSection({ config, now, registration }: Observations): InspectionReport['registration'] {
  const { state, live, trusts, unreadable, drift, selected } = registration;
  return {
    name: config.registration.name,
    state,
    calls: calls(live),
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

function endpointSection({ config, now, registration, endpoint }: Observations): InspectionReport['endpoint'] {
  const isAnswer = endpoint.outcome === 'answered';
  return {
    outcome: endpoint.outcome,
    address: 'address' in endpoint ? endpoint.address : undefined,
    serverName: serverName(registration.live, config.certificates.names),
    why: 'why' in endpoint ? endpoint.why : endpoint.problem,
    how: 'how' in endpoint ? endpoint.how : [],
    certificate: isAnswer ? certificateFacts(endpoint.certificate, now) : undefined,
    isVerified: isAnswer ? endpoint.problem === undefined : undefined,
    isOfSecret: endpoint.isOfSecret,
  };
}

/** The name that the API server verifies: the registered one, else the one that the options say. */
export function serverName(live: V1MutatingWebhookConfiguration | undefined, names: ServerNames): string {
  const { service, url } = ownWebhook(live)?.clientConfig ?? {};
  if (service) return `${service.name}.${service.namespace}.svc`;
  const host = url === undefined ? undefined : URL.parse(url)?.hostname.replace(/^\[|\]$/g, '');
  return host ?? names.dns[0] ?? names.ip[0] ?? '';
}

function calls(live: V1MutatingWebhookConfiguration | undefined): string | undefined {
  const { service, url } = ownWebhook(live)?.clientConfig ?? {};
  return service ? `Service ${service.namespace}/${service.name}:${service.port ?? 443}${service.path ?? ''}` : url;
}

function renewalOf(pem: Pem | undefined): Date | undefined {
  const certificate = parseCertificate(pem ?? '');
  return certificate && renewalMoment(certificate);
}
