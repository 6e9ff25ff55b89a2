import { asObject, type JsonObject, objectsIn } from '../lib/json.ts';
import { type Job, POD } from './job.ts';

/**
 * The fields of a Job beside `backoffLimit` and the `restartPolicy` of its Pods that decide whether a container can
 * run again. `docs/reference/retry-fields.md` has the decision about each field.
 */
type RetryFields = Pick<Job, 'containers' | 'spec' | 'podSpec'>;

/**
 * Returns whether the restartPolicy of the Pods must stay. With a podFailurePolicy the API server accepts `Never` only,
 * and must refuse `OnFailure` itself. A container with its own restart rules restarts with any restartPolicy of the
 * Pod; the Job controller counts these restarts only with `OnFailure`.
 */
export const mustKeepRestartPolicy = ({ spec, containers, podSpec }: RetryFields): boolean =>
  isSet(spec.podFailurePolicy) || containers.some(restartsItself) || initContainersOf(podSpec).some(hasRestartRules);

/** The same check as a CEL expression. */
export const mustKeepRestartPolicyCel =
  `has(object.spec.podFailurePolicy) || (has(${POD}.containers) && ${POD}.containers != null && ${POD}.containers` +
  ".exists(c, (has(c.restartPolicy) && c.restartPolicy != 'Never') || has(c.restartPolicyRules)))" +
  ` || (has(${POD}.initContainers) && ${POD}.initContainers.exists(c, has(c.restartPolicyRules)))`;

/** The values that decide how often the Job controller retries. */
interface Retries {
  readonly backoffLimit: unknown;
  readonly restartPolicy: unknown;
}

/**
 * Returns what a user must know about a Job beside its limit, in words for a warning: what can run again although the
 * limit is reached, and what the limit ends.
 */
export function caveatsOf(fields: RetryFields, { backoffLimit, restartPolicy }: Retries): string[] {
  const { spec } = fields;
  const isRetried = backoffLimit !== 0;
  const caveats: readonly (readonly [holds: boolean, text: string])[] = [
    [!isRetried && restartPolicy === 'OnFailure', 'with restartPolicy OnFailure a container may start twice'],
    [ignoresFailures(spec), 'podFailurePolicy ignores some failures, and their Pods are replaced'],
    [restartsContainers(fields), 'a container has its own restartPolicy or restartPolicyRules, and may start again'],
    [isManagedElsewhere(spec), 'spec.managedBy names another controller, which may retry'],
    [!isRetried && hasManyPods(spec), 'the first Pod that fails ends the other Pods of the Job'],
  ];
  return caveats.filter(([holds]) => holds).map(([, text]) => text);
}

const ignoresFailures = ({ podFailurePolicy }: JsonObject): boolean =>
  objectsIn(asObject(podFailurePolicy).rules).some(({ action }) => action === 'Ignore');

/** A sidecar (an init container with `Always`) restarts beside the run, not as another run. */
const restartsContainers = ({ containers, podSpec }: Pick<Job, 'containers' | 'podSpec'>): boolean =>
  containers.some(restartsItself) ||
  initContainersOf(podSpec).some((one) => one.restartPolicy === 'OnFailure' || hasRestartRules(one));

const isManagedElsewhere = ({ managedBy }: JsonObject): boolean =>
  isSet(managedBy) && managedBy !== 'kubernetes.io/job-controller';

const hasManyPods = ({ parallelism, completions }: JsonObject): boolean =>
  [parallelism, completions].some((pods) => typeof pods === 'number' && pods > 1);

const restartsItself = (container: JsonObject): boolean =>
  (isSet(container.restartPolicy) && container.restartPolicy !== 'Never') || hasRestartRules(container);

/** An empty list counts as absent, because the API server leaves out an empty list when it encodes a Job. */
const hasRestartRules = ({ restartPolicyRules }: JsonObject): boolean => objectsIn(restartPolicyRules).length > 0;

const initContainersOf = ({ initContainers }: JsonObject): JsonObject[] => objectsIn(initContainers);

/** To the API server a null field is an absent field. */
const isSet = (value: unknown): boolean => value !== undefined && value !== null;
