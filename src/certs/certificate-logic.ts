import { createSteps } from './advance.ts';
import { createBundleRules } from './bundle.ts';
import type { CertificateOptions, CertificateSet } from './certificate-set.ts';
import { createDecide } from './decide.ts';
import { toSecret } from './secret.ts';
import { createServingSwap } from './serving-swap.ts';

/** Everything that depends on the certificate options. All of it is pure, except `advance` and `replace`, which issue. */
export type CertificateLogic = ReturnType<typeof createCertificateLogic>;

/** Binds the options once, so that no decision has to pass them on. */
export function createCertificateLogic(options: CertificateOptions) {
  const bundles = createBundleRules(options);
  return {
    decide: createDecide(options, bundles),
    ...createSteps(options, bundles),
    toSecret: (set: CertificateSet) => toSecret(set, options),
    usableAuthorities: bundles.usableAuthorities,
    ...createServingSwap(options),
  };
}
