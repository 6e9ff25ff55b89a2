import type { V1MutatingWebhookConfiguration } from '@kubernetes/client-node';
import { createCertificateLogic } from '../../certs/certificate-logic.ts';
import type { CertificateSet } from '../../certs/certificate-set.ts';
import { fromSecret, type StoredSecret, traitsOf } from '../../certs/secret.ts';
import { isPaused, misunderstood } from '../../certs/secret-annotations.ts';
import { isOurs } from '../../certs/secret-ownership.ts';
import type { Situation } from '../../certs/situation.ts';
import { parseCertificate } from '../../certs/x509.ts';
import type { Config } from '../../cli/config.ts';
import { hostOf } from '../../cli/option-parsers.ts';
import { OperatorError } from '../../lib/errors.ts';
import { countPemBlocks, type Pem, splitCertificates } from '../../lib/pem.ts';
import { areSound, type MatchCondition, matchConditions } from '../../policy/cel.ts';
import { terraformPolicy } from '../../policy/policy.ts';
import { desiredRegistration, ownWebhook } from '../../registration/desired.ts';
import { drift } from '../../registration/drift.ts';
import { publishedSelector } from '../../registration/namespace-selector.ts';
import { liveBundle } from '../../registration/registration-step.ts';
import type { ReconcileFailure } from '../../stores/event-store.ts';
import type { ReadApplies } from '../applies/report.ts';
import { readSelectors } from './selectors.ts';

/**
 * An object that was read from the API server, or why there is none: it does not exist, the user has no permission
 * to read it (`refused`), or the read has failed with the error.
 */
export type Reading<T> = T | 'absent' | 'refused' | OperatorError;

export type ProbeResult =
  /** The endpoint was not called. `how` has commands with which the user can call it, if a daemon is installed. */
  | { readonly outcome: 'not-dialled'; readonly why: string; readonly how: readonly string[] }
  | { readonly outcome: 'failed'; readonly address: string; readonly why: string }
  | {
      readonly outcome: 'answered';
      readonly address: string;
      readonly certificate: Pem;
      /** Why an API server would refuse the certificate; `undefined` if it would accept it. */
      readonly why: string | undefined;
    };

/** The input of an inspection: the Secret, the webhook configuration, and the answer of the endpoint. */
export interface Readings {
  /** The stored Secret; `unused` if the user provides the certificates, because the daemon then needs no Secret. */
  readonly secret: Reading<StoredSecret> | 'unused';
  readonly registration: Reading<V1MutatingWebhookConfiguration>;
  readonly endpoint: ProbeResult;
  /** The last failed reconcile, if its Event can be read. */
  readonly failure?: ReconcileFailure | undefined;
  /** The failed and running Jobs; `undefined` for the text report, which does not show them. */
  readonly applies?: Reading<ReadApplies> | undefined;
  /** The phase of the namespace of the install, or `absent`; `undefined` if it cannot be read. */
  readonly namespacePhase?: string | undefined;
}

/** A daemon that fails writes its Event at least this often: once a minute, after a pause of a minute at most. */
const RECENT_MS = 3 * 60_000;

export type Observations = ReturnType<typeof observe>;

/**
 * Returns the facts about the install that follow from the readings. `findingsOf` decides which of them are problems.
 */
export function observe(readings: Readings, config: Config, now: Date) {
  const { secret: read, registration, endpoint, failure, namespacePhase } = readings;
  const live = objectOf(registration);
  const own = ownWebhook(live);
  const bundle = liveBundle(live);
  const presented = endpoint.outcome === 'answered' ? endpoint.certificate : undefined;
  const secret = observeSecret(read, config, { now, liveBundle: bundle, presented });
  const serving = secret.set?.serving.certificate;
  return {
    config,
    now,
    secret,
    failure: failure && now.getTime() - failure.at.getTime() < RECENT_MS ? failure : undefined,
    /** Whether the registered Service is in a namespace that does not exist or is being deleted. */
    isNamespaceRemoved:
      namespaceHint(live, config) === undefined && (namespacePhase === 'absent' || namespacePhase === 'Terminating'),
    registration: {
      // A webhook configuration without the daemon's webhook calls no endpoint, so it counts as absent.
      state: live !== undefined && own === undefined ? 'absent' : stateOf(registration),
      problem: problemOf(registration),
      live,
      bundle,
      ...registeredEndpoint(live, config),
      ...readBundle(bundle, secret.set),
      drift: driftOf(live, config),
      selected: readSelectors(own, publishedSelector(live)),
    },
    endpoint,
    /** Whether the endpoint presents the certificate of the Secret; `undefined` if one of the two is unknown. */
    isOfSecret: presented === undefined || serving === undefined ? undefined : isSame(presented, serving),
  } as const;
}

/**
 * Returns the endpoint in the webhook configuration, and the server name that the API server verifies. If no endpoint
 * is registered, the server name comes from the options, and `port` is `undefined`.
 */
export function registeredEndpoint(live: V1MutatingWebhookConfiguration | undefined, { certificates }: Config) {
  const { service, url } = ownWebhook(live)?.clientConfig ?? {};
  if (service) {
    const { name, namespace, port = 443, path = '' } = service;
    return { serverName: `${name}.${namespace}.svc`, port, calls: `Service ${namespace}/${name}:${port}${path}` };
  }
  const parsed = url === undefined ? null : URL.parse(url);
  const { dns, ip } = certificates.names;
  return {
    serverName: parsed ? hostOf(parsed) : (dns[0] ?? ip[0] ?? ''),
    port: parsed ? Number(parsed.port || 443) : undefined,
    calls: url,
  };
}

/** Returns what the user must change if the registered Service is in another namespace than the one of `--namespace`. */
export function namespaceHint(
  live: V1MutatingWebhookConfiguration | undefined,
  { namespace }: Pick<Config, 'namespace'>,
): string | undefined {
  const { service } = ownWebhook(live)?.clientConfig ?? {};
  if (service === undefined || service.namespace === namespace) return undefined;
  return `the API server calls Service ${service.namespace}/${service.name}: set --namespace ${service.namespace}`;
}

function observeSecret(read: Readings['secret'], { certificates }: Config, situation: Situation) {
  const state = stateOf(read);
  const stored = objectOf(read);
  if (stored === undefined) return { state, problem: problemOf(read) };
  const set = fromSecret(stored);
  const logic = createCertificateLogic(certificates);
  // Decide as if the user had requested no rotation. A request is not a problem, and its reason `asked` would hide the
  // reason of a real problem.
  const { isPhaseWrong } = traitsOf(stored);
  return {
    state,
    stored,
    set,
    decision: logic.decide(set, situation, { isPhaseWrong }),
    /** Whether the daemon does not write the Secret: the label is not ours, and the live CA bundle does not verify the certificate. */
    isForeign: !isOurs(stored) && !logic.canPresent(set.serving, situation.liveBundle ?? ('' as Pem), situation.now),
    isPaused: isPaused(stored),
    /** The value of the annotation `rotate` if it is invalid, else `undefined`. */
    misunderstood: misunderstood(stored),
  };
}

export const objectOf = <T extends object>(read: T | string | OperatorError): T | undefined =>
  typeof read === 'string' || read instanceof OperatorError ? undefined : read;

/** Returns why the read has failed, for another reason than a missing right. */
const problemOf = (read: unknown): string | undefined => (read instanceof OperatorError ? read.message : undefined);

const stateOf = <S extends 'absent' | 'refused' | 'unused'>(read: object | S): S | 'present' | 'failed' => {
  if (read instanceof OperatorError) return 'failed';
  return typeof read === 'string' ? read : 'present';
};

const isSame = (one: Pem, other: Pem): boolean =>
  parseCertificate(one)?.fingerprint256 === parseCertificate(other)?.fingerprint256;

function readBundle(bundle: Pem | undefined, set: CertificateSet | undefined) {
  const pems = splitCertificates(bundle ?? '');
  const own = set && splitCertificates(set.caBundle + (set.nextCa?.certificate ?? ''));
  const readable = pems.filter((pem) => parseCertificate(pem) !== undefined);
  const blocks = countPemBlocks(bundle ?? '');
  const isJunkAlone = blocks === 0 && (bundle ?? '').trim() !== '';
  return {
    trusts: readable.map((pem, index) => ({
      pem,
      /** Whether the Secret has this CA; `undefined` if no Secret was read. */
      isOurs: own?.includes(pem),
      isDuplicate: readable.indexOf(pem) < index,
    })),
    /**
     * Number of PEM blocks in the bundle that are not certificates. A non-empty bundle without a PEM block counts as
     * one.
     */
    unreadable: blocks - readable.length + (isJunkAlone ? 1 : 0),
  };
}

/**
 * Returns the match conditions that count as correct. This command does not know the policy of the daemon. So it
 * accepts the live match conditions if a daemon with some policy could have written them. Otherwise, the match
 * conditions of the built-in policy count as correct.
 */
const conditionsFor = (live: readonly MatchCondition[] | undefined): readonly MatchCondition[] =>
  live !== undefined && areSound(live) ? live : matchConditions(terraformPolicy);

/**
 * Returns the fields of the live webhook that differ from what the daemon writes. Ignores the CA bundle, which has its
 * own findings, and fields whose values come from options of the daemon that this command does not have.
 */
export function driftOf(live: V1MutatingWebhookConfiguration | undefined, { registration }: Config): string[] {
  const own = ownWebhook(live);
  if (live === undefined || own === undefined) return [];
  const asLive = {
    failurePolicy: own.failurePolicy === 'Fail' ? 'Fail' : 'Ignore',
    timeoutSeconds: own.timeoutSeconds ?? registration.timeoutSeconds,
  } as const;
  const wanted = desiredRegistration(
    { ...registration, ...asLive, namespaceSelector: publishedSelector(live) },
    { caBundle: '' as Pem, matchConditions: conditionsFor(own.matchConditions) },
    live,
  );
  return drift(live, wanted).filter((field) => field !== 'clientConfig.caBundle');
}
