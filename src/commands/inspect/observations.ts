import type { V1MutatingWebhookConfiguration } from '@kubernetes/client-node';
import { createCertificateLogic } from '../../certs/certificate-logic.ts';
import type { CertificateSet } from '../../certs/certificate-set.ts';
import { isOurs, isPaused, misunderstood, type StoredSecret, traitsOf } from '../../certs/secret.ts';
import { parseCertificate } from '../../certs/x509.ts';
import type { Config } from '../../cli/config.ts';
import { countPemBlocks, type Pem, splitCertificates } from '../../lib/pem.ts';
import { areSound, type MatchCondition, matchConditions } from '../../policy/cel.ts';
import { terraformPolicy } from '../../policy/policy.ts';
import { desiredRegistration, ownWebhook } from '../../registration/desired.ts';
import { drift } from '../../registration/drift.ts';
import { liveBundle } from '../../registration/reconcile.ts';
import type { Evidence } from './findings.ts';
import { readSelectors } from './selectors.ts';

/** An object as far as it may be seen; absent where there is none. */
export type Seen<T> = { readonly object: T | undefined } | { readonly refused: string };

/** What came of calling the endpoint; where it was not called, how to. */
export type Dialled =
  | { readonly outcome: 'not-dialled'; readonly why: string; readonly how: readonly string[] }
  | { readonly outcome: 'failed'; readonly address: string; readonly problem: string }
  /** `problem` is why an API server would refuse the certificate, if it would. */
  | {
      readonly outcome: 'answered';
      readonly address: string;
      readonly certificate: Pem;
      readonly problem: string | undefined;
    };

/** Everything that an inspection is made of. */
export interface Facts {
  readonly secret: Seen<StoredSecret>;
  readonly registration: Seen<V1MutatingWebhookConfiguration>;
  readonly endpoint: Dialled;
}

interface Objects {
  readonly stored: StoredSecret | undefined;
  readonly set: CertificateSet | undefined;
  readonly live: V1MutatingWebhookConfiguration | undefined;
}

/** Reads the facts for what may be wrong with them. */
export function evidenceOf(
  { secret, registration, endpoint }: Facts,
  objects: Objects,
  config: Config,
  now: Date,
): Evidence {
  const { stored, set, live } = objects;
  const bundle = liveBundle(live);
  const presented = endpoint.outcome === 'answered' ? endpoint.certificate : undefined;
  const situation = { now, liveBundle: bundle, presented };
  // What was asked for is left out: it comes before other steps, and is not what is wrong.
  const { flaw, isPhaseWrong } = stored ? traitsOf(stored) : {};
  return {
    config,
    now,
    secret: {
      state: config.certificateDirectory === undefined ? stateOf(secret) : 'unused',
      set,
      verdict: stored && createCertificateLogic(config.certificates).decide(set, situation, { flaw, isPhaseWrong }),
      isOurs: stored !== undefined && isOurs(stored),
      isPaused: stored !== undefined && isPaused(stored),
      misunderstood: stored && misunderstood(stored),
    },
    registration: {
      // An object without our entry calls nobody: as good as none.
      state: 'object' in registration && ownWebhook(live) === undefined ? 'absent' : stateOf(registration),
      bundle,
      ...readBundle(bundle, set),
      drift: driftOf(live, config),
      selected: readSelectors(ownWebhook(live)),
    },
    endpoint: {
      ...endpoint,
      isOfSecret: presented === undefined || set === undefined ? undefined : isSame(presented, set.serving.certificate),
    },
  };
}

const stateOf = (seen: Seen<unknown>): Evidence['registration']['state'] =>
  'refused' in seen ? 'refused' : seen.object === undefined ? 'absent' : 'present';

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

/** Which policy the daemon has cannot be known from here, but whether a daemon has written the conditions can. */
const conditionsFor = (live: readonly MatchCondition[] | undefined): readonly MatchCondition[] =>
  live !== undefined && areSound(live) ? live : matchConditions(terraformPolicy);

/** What differs beside the bundle, which is looked at in itself, and what only the daemon's own options tell. */
function driftOf(live: V1MutatingWebhookConfiguration | undefined, { registration }: Config): string[] {
  const own = ownWebhook(live);
  if (live === undefined || own === undefined) return [];
  const asLive = {
    failurePolicy: own.failurePolicy === 'Fail' ? 'Fail' : 'Ignore',
    timeoutSeconds: own.timeoutSeconds ?? registration.timeoutSeconds,
  } as const;
  const wanted = desiredRegistration(
    { ...registration, ...asLive },
    '' as Pem,
    conditionsFor(own.matchConditions),
    live,
  );
  return drift(live, wanted).filter((field) => field !== 'clientConfig.caBundle');
}
