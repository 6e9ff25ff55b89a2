import type { V1MutatingWebhookConfiguration } from '@kubernetes/client-node';
import type { ServerNames } from '../../certs/certificate-set.ts';
import { type RotationFacts, rotationFacts } from '../../certs/rotation-status.ts';
import { type Asked, askedFor, fromSecret, isPaused, MANAGED_BY, type StoredSecret } from '../../certs/secret.ts';
import { parseCertificate, renewalMoment } from '../../certs/x509.ts';
import type { Config } from '../../cli/config.ts';
import type { Pem } from '../../lib/pem.ts';
import { ownWebhook } from '../../registration/desired.ts';
import { type CertificateFacts, certificateFacts } from './certificate-facts.ts';
import { type Evidence, findProblems, type Problem, type TrustedAuthority } from './findings.ts';
import { type Dialled, evidenceOf, type Facts } from './observations.ts';
import type { InspectionVerdict } from './verdicts.ts';

/** What `-o json` prints, with null for what is not known. Holds no key. */
export interface Inspection {
  /** Changes when a field is renamed or taken out. */
  readonly format: 1;
  readonly at: Date;
  readonly verdict: InspectionVerdict;
  readonly problems: readonly Problem[];
  readonly certificateAuthority: CertificateFacts | undefined;
  readonly nextCertificateAuthority: CertificateFacts | undefined;
  readonly serving: CertificateFacts | undefined;
  readonly secret: {
    readonly reference: string;
    readonly state: Evidence['secret']['state'];
    readonly type: string | undefined;
    readonly managedBy: string | undefined;
    readonly isPaused: boolean | undefined;
    readonly rotateAsked: Asked | undefined;
  };
  readonly registration: {
    readonly name: string;
    readonly state: Evidence['registration']['state'];
    /** Whom the API server calls. */
    readonly calls: string | undefined;
    readonly failurePolicy: string | undefined;
    readonly trusts: readonly (CertificateFacts & Omit<TrustedAuthority, 'pem'>)[];
    readonly unreadable: number;
    readonly drift: readonly string[];
    /** What the selectors of the entry ask for. */
    readonly selectors: readonly string[];
  };
  readonly endpoint: {
    readonly outcome: Dialled['outcome'];
    readonly address: string | undefined;
    readonly serverName: string;
    readonly why: string | undefined;
    /** Commands by which it can be called. */
    readonly how: readonly string[];
    readonly certificate: CertificateFacts | undefined;
    readonly isVerified: boolean | undefined;
    readonly isOfSecret: boolean | undefined;
  };
  readonly rotation: RotationFacts | undefined;
  readonly next: { readonly renewal: Date | undefined; readonly caRotation: Date | undefined };
}

/** Judges what was gathered. `now` is the moment for which it is judged. */
export function inspection(facts: Facts, config: Config, now: Date): Inspection {
  const isUsed = config.certificateDirectory === undefined;
  const stored = isUsed && 'object' in facts.secret ? facts.secret.object : undefined;
  const set = stored && fromSecret(stored);
  const live = 'object' in facts.registration ? facts.registration.object : undefined;
  const evidence = evidenceOf(facts, { stored, set, live }, config, now);
  const problems = findProblems(evidence);
  const { registration, endpoint } = evidence;
  return {
    format: 1,
    at: now,
    verdict: verdictOf(problems, facts.endpoint),
    problems,
    certificateAuthority: certificateFacts(set?.ca.certificate ?? '', now),
    nextCertificateAuthority: certificateFacts(set?.nextCa?.certificate ?? '', now),
    serving: certificateFacts(set?.serving.certificate ?? '', now),
    secret: secretShown(stored, evidence.secret.state, config),
    registration: {
      name: config.registration.name,
      state: registration.state,
      calls: calls(live),
      failurePolicy: ownWebhook(live)?.failurePolicy,
      trusts: registration.trusts.flatMap(({ pem, ...trust }) => {
        const certificate = certificateFacts(pem, now);
        return certificate ? [{ ...certificate, ...trust }] : [];
      }),
      unreadable: registration.unreadable,
      drift: registration.drift,
      selectors: registration.selected.requirements,
    },
    endpoint: {
      serverName: serverName(live, config.certificates.names),
      ...endpointShown(facts.endpoint, now),
      isOfSecret: endpoint.isOfSecret,
    },
    rotation: set && rotationFacts(set, config.certificates),
    next: { renewal: dueAt(set?.serving.certificate), caRotation: dueAt(set?.ca.certificate) },
  };
}

/** Nothing is called healthy that was not seen to be. */
function verdictOf(problems: readonly Problem[], { outcome }: Dialled): InspectionVerdict {
  if (problems.length > 0) return 'unhealthy';
  return outcome === 'not-dialled' ? 'incomplete' : 'healthy';
}

function secretShown(
  stored: StoredSecret | undefined,
  state: Evidence['secret']['state'],
  { namespace, secretName }: Config,
): Inspection['secret'] {
  return {
    reference: `${namespace}/${secretName}`,
    state,
    type: stored?.type,
    managedBy: stored?.labels[Object.keys(MANAGED_BY)[0] ?? ''],
    isPaused: stored && isPaused(stored),
    rotateAsked: stored && askedFor(stored),
  };
}

function endpointShown(dialled: Dialled, now: Date): Omit<Inspection['endpoint'], 'serverName' | 'isOfSecret'> {
  const isAnswer = dialled.outcome === 'answered';
  return {
    outcome: dialled.outcome,
    address: 'address' in dialled ? dialled.address : undefined,
    why: 'why' in dialled ? dialled.why : dialled.problem,
    how: 'how' in dialled ? dialled.how : [],
    certificate: isAnswer ? certificateFacts(dialled.certificate, now) : undefined,
    isVerified: isAnswer ? dialled.problem === undefined : undefined,
  };
}

/** The name that the API server asks the endpoint for: as registered, else as it would be. */
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

function dueAt(pem: Pem | undefined): Date | undefined {
  const certificate = parseCertificate(pem ?? '');
  return certificate && renewalMoment(certificate);
}
