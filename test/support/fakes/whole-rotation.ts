import type { CertificateOptions, CertificateSet } from '../../../src/certs/certificate-set.ts';
import type { CertificateDecision } from '../../../src/certs/decide.ts';
import type { Situation } from '../../../src/certs/situation.ts';
import type { Pem } from '../../../src/lib/pem.ts';
import { ensureCertificates } from './ensure-certificates.ts';
import type { FakeSecretStore } from './fake-secret-store.ts';

export interface Step {
  readonly decision: CertificateDecision;
  readonly set: CertificateSet;
  readonly now: Date;
}

/** Called before each step with the number of executed steps. */
export type BeforeStep = (taken: number, situation: Situation) => unknown;

/** More steps than a rotation needs. */
const MOST_STEPS = 40;

/**
 * Calls ensureCertificates until the set is stable. After each step the live bundle becomes the bundle of the set. If
 * there is nothing to do, the clock jumps to the next step.
 */
export async function ensureUntilStable(
  store: FakeSecretStore,
  options: CertificateOptions,
  start: Date,
  { liveBundle, beforeStep = () => {} }: { readonly liveBundle?: Pem; readonly beforeStep?: BeforeStep } = {},
): Promise<readonly Step[]> {
  const steps: Step[] = [];
  let now = start;
  let live = liveBundle;
  while (steps.length < MOST_STEPS) {
    await beforeStep(steps.length, { now, liveBundle: live });
    const { set, decision } = await ensureCertificates(store, options, { now, liveBundle: live });
    const isNews = live !== set.caBundle;
    live = set.caBundle;
    if (decision.action !== 'keep') steps.push({ decision, set, now });
    else if (set.phase === 'stable') return steps;
    else if (!isNews) now = decision.until;
  }
  throw new Error(`not stable after ${MOST_STEPS} steps: ${actionsOf(steps).join(', ')}`);
}

export const actionsOf = (steps: readonly Step[]): string[] => steps.map(({ decision }) => decision.action);
