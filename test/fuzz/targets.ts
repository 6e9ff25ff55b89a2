import { ensureTarget, jobTarget, registrationTarget, secretTarget } from './cluster-targets.ts';
import { certificateFilesTarget, kubeconfigTarget, policyFileTarget } from './file-targets.ts';
import { inspectTarget } from './inspect-target.ts';
import { reviewTarget } from './reviews.ts';
import { answerTarget } from './stream-targets.ts';
import type { Target } from './target.ts';
import { wireTarget } from './wire.ts';

// biome-ignore lint/suspicious/noExplicitAny: each target generates and reads only its own inputs
type AnyTarget = Target<any>;

/** One target for each piece of code that reads foreign input from network, cluster or disk. */
export const targets: Readonly<Record<string, () => AnyTarget | Promise<AnyTarget>>> = {
  'endpoint-reviews': reviewTarget,
  'endpoint-wire': wireTarget,
  secret: secretTarget,
  'secret-writes': ensureTarget,
  registration: registrationTarget,
  jobs: jobTarget,
  'api-answers': answerTarget,
  'policy-file': policyFileTarget,
  kubeconfig: kubeconfigTarget,
  'certificate-files': certificateFilesTarget,
  inspect: inspectTarget,
};
