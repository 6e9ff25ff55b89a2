import { createSteps } from './advance.ts';
import { createBundleRules } from './bundle.ts';
import type { CertificateOptions, CertificateSet } from './certificate-set.ts';
import { createDecide } from './decide.ts';
import { issuer as newKeys } from './issue.ts';
import { toSecret } from './secret.ts';
import { createServingSwap } from './serving-swap.ts';

/** The functions that depend on the certificate options. All but `advance` and `replace` are pure. */
export type CertificateLogic = ReturnType<typeof createCertificateLogic>;

/** Returns the certificate functions, bound to the options. */
export function createCertificateLogic(options: CertificateOptions, issuer = newKeys) {
  const bundles = createBundleRules(options);
  const swap = createServingSwap(options);
  return {
    decide: createDecide(options, { bundles, swap }),
    ...createSteps(options, { bundles, swap }, issuer),
    toSecret: (set: CertificateSet) => toSecret(set, options),
    usableAuthorities: bundles.usableAuthorities,
    ...swap,
  };
}
