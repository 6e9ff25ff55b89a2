import type { V1MutatingWebhookConfiguration } from '@kubernetes/client-node';
import { createCertificateLogic } from '../../certs/certificate-logic.ts';
import type { CertificateSet } from '../../certs/certificate-set.ts';
import type { CertificateDecision } from '../../certs/decide.ts';
import { fromSecret, isOurs, isPaused, misunderstood, type StoredSecret, traitsOf } from '../../certs/secret.ts';
import type { Situation } from '../../certs/situation.ts';
import { parseCertificate } from '../../certs/x509.ts';
import type { Config } from '../../cli/config.ts';
import { countPemBlocks, type Pem, splitCertificates } from '../../lib/pem.ts';
import { areSound, type MatchCondition, matchConditions } from '../../policy/cel.ts';
import { terraformPolicy } from '../../policy/policy.ts';
import { desiredRegistration, ownWebhook } from '../../registration/desired.ts';
import { drift } from '../../registration/drift.ts';
import { publishedSelector } from '../../registration/namespace-selector.ts';
import { liveBundle } from '../../registration/reconcile.ts';
import { readSelectors, type Selected } from './selectors.ts';

/** `refused` if this user may not read the object; `undefined` if it does not exist. */
export type ReadResult<T> = { readonly object: T | undefined } | { readonly refused: string };

export type ProbeResult =
  /** `how` has commands that probe the endpoint. */
  | { readonly outcome: 'not-dialled'; readonly why: string; readonly how: readonly string[] }
  | { readonly outcome: 'failed'; readonly address: string; readonly problem: string }
  /** `problem` is why an API server would refuse the certificate, if it would. */
  | {
      readonly outcome: 'answered';
      readonly address: string;
      readonly certificate: Pem;
      readonly problem: string | undefined;
    };

/** The input of an inspection: two objects and the answer of the endpoint. */
export interface Readings {
  readonly secret: ReadResult<StoredSecret>;
  readonly registration: ReadResult<V1MutatingWebhookConfiguration>;
  readonly endpoint: ProbeResult;
}

/** A certificate authority that the API server trusts. */
export interface TrustedAuthority {
  readonly pem: Pem;
  /** `undefined` if the Secret could not be read. */
  readonly isOurs: boolean | undefined;
  readonly isDuplicate: boolean;
}

/** What the readings say about the install, before any of it is called wrong. */
export interface Observations {
  readonly config: Config;
  readonly now: Date;
  readonly secret: {
    /** `unused` if the user provides the certificates. */
    readonly state: 'present' | 'absent' | 'refused' | 'unused';
    readonly stored?: StoredSecret;
    readonly set?: CertificateSet;
    readonly decision?: CertificateDecision;
    readonly isOurs?: boolean;
    readonly isPaused?: boolean;
    /** An invalid value of the annotation `rotate`. */
    readonly misunderstood?: string | undefined;
  };
  readonly registration: {
    readonly state: 'present' | 'absent' | 'refused';
    readonly live: V1MutatingWebhookConfiguration | undefined;
    readonly bundle: Pem | undefined;
    readonly trusts: readonly TrustedAuthority[];
    /** PEM blocks of the bundle that cannot be read. */
    readonly unreadable: number;
    readonly drift: readonly string[];
    readonly selected: Selected;
  };
  readonly endpoint: ProbeResult & { readonly isOfSecret: boolean | undefined };
}

export function observe(readings: Readings, config: Config, now: Date): Observations {
  const { registration, endpoint } = readings;
  const live = objectOf(registration);
  const bundle = liveBundle(live);
  const presented = endpoint.outcome === 'answered' ? endpoint.certificate : undefined;
  const secret = observeSecret(readings.secret, config, { now, liveBundle: bundle, presented });
  const serving = secret.set?.serving.certificate;
  return {
    config,
    now,
    secret,
    registration: {
      // An object without our entry calls no endpoint, so it counts as absent.
      state: 'object' in registration && ownWebhook(live) === undefined ? 'absent' : stateOf(registration),
      live,
      bundle,
      ...readBundle(bundle, secret.set),
      drift: driftOf(live, config),
      selected: readSelectors(ownWebhook(live), publishedSelector(live)),
    },
    endpoint: {
      ...endpoint,
      isOfSecret: presented === undefined || serving === undefined ? undefined : isSame(presented, serving),
    },
  };
}

function observeSecret(
  read: ReadResult<StoredSecret>,
  { certificates, certificateDirectory }: Config,
  situation: Situation,
): Observations['secret'] {
  const stored = certificateDirectory === undefined ? objectOf(read) : undefined;
  const state = certificateDirectory === undefined ? stateOf(read) : 'unused';
  if (stored === undefined) return { state };
  const set = fromSecret(stored);
  // A requested rotation is left out: the decision would be about it, and it is no defect.
  const { flaw, isPhaseWrong } = traitsOf(stored);
  return {
    state,
    stored,
    set,
    decision: createCertificateLogic(certificates).decide(set, situation, { flaw, isPhaseWrong }),
    isOurs: isOurs(stored),
    isPaused: isPaused(stored),
    misunderstood: misunderstood(stored),
  };
}

const objectOf = <T>(read: ReadResult<T>): T | undefined => ('object' in read ? read.object : undefined);

const stateOf = (read: ReadResult<unknown>): Observations['registration']['state'] =>
  'refused' in read ? 'refused' : read.object === undefined ? 'absent' : 'present';

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
      isOurs: own?.includes(pem),
      isDuplicate: readable.indexOf(pem) < index,
    })),
    unreadable: blocks - readable.length + (isJunkAlone ? 1 : 0),
  };
}

/** The policy of the daemon is unknown here. Whether a daemon wrote the conditions is not: they carry a digest. */
const conditionsFor = (live: readonly MatchCondition[] | undefined): readonly MatchCondition[] =>
  live !== undefined && areSound(live) ? live : matchConditions(terraformPolicy);

/** Leaves out the bundle, which has findings of its own, and the fields that only the options of the daemon decide. */
function driftOf(live: V1MutatingWebhookConfiguration | undefined, { registration }: Config): string[] {
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
