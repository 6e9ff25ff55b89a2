import type { Pem } from '../lib/pem.ts';
import { createAdvance, createReplace, type Explained, type SetStep } from './advance.ts';
import { createBundleRules } from './bundle.ts';
import type { CertificateOptions, CertificateSet } from './certificate-set.ts';
import { type CertificateDecision, createDecide } from './decide.ts';
import { type SecretContent, type SecretTraits, toSecret } from './secret.ts';
import { createServingSwap, type Presentation, type ServingCandidate } from './serving-swap.ts';
import type { Situation } from './situation.ts';

/** Everything that depends on how certificates must be issued and rotated. Only `advance` and `replace` are not pure. */
export interface CertificateLogic {
  /** The next step of a stored set, with its reason. `set` is `undefined` if nothing is stored. Never throws. */
  decide(set: CertificateSet | undefined, situation: Situation, traits?: SecretTraits): CertificateDecision;
  /** Takes one step. @throws OperatorError `CERTIFICATE_ISSUE_FAILED` */
  advance(explained: Explained, step: SetStep, situation: Situation): Promise<Explained>;
  /** A new set that keeps the trust of the previous one. @throws OperatorError `CERTIFICATE_ISSUE_FAILED` */
  replace(before: CertificateSet | undefined, situation: Situation): Promise<CertificateSet>;
  /** The content of the Secret for a set. */
  toSecret(explained: Explained): SecretContent;
  /** The CAs of a bundle that can still verify a certificate for our names; at most four beside `own`. */
  usableAuthorities(bundle: Pem, situation: Pick<Situation, 'now' | 'presented'>, own?: readonly Pem[]): Pem[];
  /** Whether this replica presents the stored serving certificate now. */
  decidePresentation(candidate: ServingCandidate, situation: Situation): Presentation;
  /** Whether an API server that trusts the bundle accepts the certificate at this moment. */
  isVerified(pem: Pem, bundle: Pem, now: Date): boolean;
}

/** Binds the options once, so that no decision has to pass them on. */
export function createCertificateLogic(options: CertificateOptions): CertificateLogic {
  const bundles = createBundleRules(options);
  return {
    decide: createDecide(options, bundles),
    advance: createAdvance(options, bundles),
    replace: createReplace(options, bundles),
    toSecret: ({ set, reasons }) => toSecret(set, options, reasons),
    usableAuthorities: bundles.usableAuthorities,
    ...createServingSwap(options),
  };
}
