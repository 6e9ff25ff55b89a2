import type { V1MutatingWebhook } from '@kubernetes/client-node';
import { phaseKey } from '../../../src/certs/ca-rotation.ts';
import { createCertificateLogic } from '../../../src/certs/certificate-logic.ts';
import type { CertificateOptions, CertificateSet } from '../../../src/certs/certificate-set.ts';
import type { CertificateDecision } from '../../../src/certs/decide.ts';
import { fromSecret, type StoredSecret } from '../../../src/certs/secret.ts';
import { misunderstood } from '../../../src/certs/secret-annotations.ts';
import type { SecretStore } from '../../../src/certs/secret-step.ts';
import type { Situation } from '../../../src/certs/situation.ts';
import { readConfig } from '../../../src/cli/config.ts';
import { OperatorError } from '../../../src/lib/errors.ts';
import { type Pem, toBase64 } from '../../../src/lib/pem.ts';
import { apply } from '../../../src/operator/apply.ts';
import { limit, type WriteHold } from '../../../src/operator/limit.ts';
import { initialMemory, type Memory } from '../../../src/operator/memory.ts';
import type { Observed } from '../../../src/operator/observe.ts';
import { createDecide, type Plan } from '../../../src/operator/plan.ts';
import { terraformPolicy } from '../../../src/policy/policy.ts';
import { WEBHOOK_NAME } from '../../../src/registration/desired.ts';
import type { RegistrationStore } from '../../../src/registration/registration-step.ts';

export interface Ensured {
  /** The certificate set in the Secret. */
  readonly set: CertificateSet;
  /** The decision. Its step was executed, unless writes are paused or rate-limited. */
  readonly decision: CertificateDecision;
  readonly held: WriteHold['by'] | undefined;
  readonly isPaused: boolean;
  readonly misunderstood: string | undefined;
}

/** The limit of lost races of a pass. */
const MOST_LOST_RACES = 10;

/**
 * Reads the Secret, decides and executes one step, as a pass of the daemon does. Reads again after a lost race.
 *
 * @param repairs number of recent repairs of the Secret.
 */
export async function ensureCertificates(
  store: SecretStore,
  options: CertificateOptions,
  { repairs = 0, ...situation }: Situation & { readonly repairs?: number },
): Promise<Ensured> {
  const config = { ...readConfig({}), certificates: options };
  const logic = createCertificateLogic(options);
  const decide = createDecide(config, logic);
  for (let lost = 0; lost < MOST_LOST_RACES; lost += 1) {
    const stored = await store.read();
    const memory = {
      ...memoryOf(situation, stored),
      repairs: { ...NO_REPAIRS, secret: historyOf(repairs, situation.now) },
    };
    const plan = secretAlone(decide(observedOf(situation, stored), memory));
    const allowed = limit(plan, memory, store.reference);
    const outcome = await apply(allowed, { secrets: store, registrations, present() {}, logic });
    if (outcome.failure !== undefined) throw outcome.failure;
    const { findings } = plan.secret;
    const set = outcome.secret.value ?? findings?.set;
    if (outcome.secret.result === 'lost' || set === undefined || findings === undefined) continue;
    return {
      set,
      decision: findings.decision,
      held: allowed.held.secret?.by,
      isPaused: plan.isPaused,
      misunderstood: stored && misunderstood(stored),
    };
  }
  throw new OperatorError('KUBE_CONFLICT', 'the Secret is changed faster than it can be written');
}

const NO_REPAIRS = { secret: undefined, registration: undefined };

const historyOf = (repairs: number, lastAt: Date) => (repairs === 0 ? undefined : { repairs, lastAt });

/**
 * Returns the memory of a daemon that has seen the stored rotation phase for an unlimited time. Then only the start
 * time in the annotations decides how long the phase has lasted.
 */
const memoryOf = ({ restartedAt, presented, presentedKey }: Situation, stored: StoredSecret | undefined): Memory => ({
  ...initialMemory(restartedAt),
  presented,
  presentedKey,
  phaseSeen: stored && { key: phaseKey(fromSecret(stored)), sinceMs: Number.NEGATIVE_INFINITY },
});

const observedOf = ({ now, liveBundle }: Situation, stored: StoredSecret | undefined): Observed => ({
  phase: 'running',
  isLeaseHolder: true,
  now,
  uptimeMs: 0,
  registration: { value: liveBundle === undefined ? undefined : registrationOf(liveBundle) },
  certificates: { value: { stored } },
  policy: terraformPolicy,
});

const registrationOf = (liveBundle: Pem) => ({
  webhooks: [{ name: WEBHOOK_NAME, clientConfig: { caBundle: toBase64(liveBundle) } } as unknown as V1MutatingWebhook],
});

const secretAlone = (plan: Plan): Plan => ({ ...plan, registration: { ...plan.registration, step: undefined } });

const never = () => Promise.reject(new Error('the registration is not part of this'));
const registrations: RegistrationStore = { read: never, apply: never, replaceEntry: never };
