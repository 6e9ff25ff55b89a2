import { truncate } from '../lib/text.ts';
import type { Decision } from '../policy/decide.ts';
import type { Change } from '../policy/setting-fields.ts';
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
  const patch = patchOf(decision.changes);
  applyPatch(object, patch);
  const changes = decision.changes.map(({ field, from, to }) => `${field} ${printable(from)} -> ${to}`).join(', ');
  return {
    uid,
    allowed: true,
    patchType: 'JSONPatch',
    patch: Buffer.from(JSON.stringify(patch)).toString('base64'),
    warnings: [`terraform-daemon: ${effectOf(decision.result)} (${changes})`],
    auditAnnotations: { rule: decision.rule, changes },
  };
}

/**
 * Returns the beginning of the warning to the client: how often the Job can run. With a backoffLimit above 0, the Job
 * can be retried. With a restartPolicy other than `Never`, which an UPDATE cannot change, the Job can run twice.
 */
function effectOf({ backoffLimit, restartPolicy }: Extract<Decision, { action: 'cap' }>['result']): string {
  if (backoffLimit !== 0) return 'the retries of this Job are limited';
  return restartPolicy === 'Never' ? 'this Job runs once' : 'this Job is not retried, but may run twice';
}

/**
 * Returns a value from the client without characters that are unsafe in a warning, because the API server drops
 * warnings with control characters.
 */
const printable = (value: Change['from']): string =>
  value === undefined || value === null ? 'unset' : truncate(String(value), 20).replace(/[^\w.+-]/g, '?');
