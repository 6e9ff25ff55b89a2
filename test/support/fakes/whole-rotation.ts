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

/** Called before each look with the number of steps taken. */
export type BeforeStep = (taken: number, situation: Situation) => unknown;

/** More than any rotation takes. */
const MOST_STEPS = 40;

/**
 * Ensures again and again until the set is stable and kept, as the daemon does: the live bundle follows that of the set
 * after each step, and where there is nothing to do the clock goes on until there is.
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
