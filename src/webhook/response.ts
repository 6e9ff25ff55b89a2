import type { Decision, Effect } from '../policy/decide.ts';
import { applyPatch, patchOf } from './patch.ts';
import type { AdmissionRequest } from './review.ts';

/**
 * Returns the decision as an AdmissionResponse. Applies the patch to the object of the request, and throws if it does
 * not apply.
 *
 * @see https://kubernetes.io/docs/reference/config-api/apiserver-admission.v1/#admission-k8s-io-v1-AdmissionResponse
 */
export function toResponse({ uid, object }: Pick<AdmissionRequest, 'uid' | 'object'>, decision: Decision) {
  if (decision.action === 'allow') return { uid, allowed: true };
  if (decision.action === 'refuse') return { uid, allowed: false, status: { code: 400, message: decision.problem } };
  const patch = patchOf(decision, object);
  applyPatch(object, patch);
  const changes = decision.changes.map(({ field, from, to }) => `${field} ${from ?? 'unset'} -> ${to}`).join(', ');
  // If the patch of an UPDATE only puts the stored restartPolicy back, the Job does not change, so no warning is needed.
  const texts = decision.action === 'cap' ? [`${effects[decision.effect]} (${changes})`, ...decision.caveats] : [];
  return {
    uid,
    allowed: true,
    patchType: 'JSONPatch',
    patch: Buffer.from(JSON.stringify(patch)).toString('base64'),
    warnings: texts.map((text) => `terraform-daemon: ${text}`),
    auditAnnotations: { rule: decision.rule, changes },
  };
}

/** The first warning is about the request and not about the stored Job: the API server can still refuse the request. */
const effects: Readonly<Record<Effect, string>> = {
  once: 'patched to run once',
  'no-retry': 'patched to allow no retry',
  limited: 'patched to limit the retries',
};
