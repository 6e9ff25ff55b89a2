import type { AdmissionRequest, JsonObject } from '../webhook/review.ts';
import { isOver, type Job, readJob } from './job.ts';
import { candidates, firstOf } from './matching.ts';
import {
  DEFAULT_BACKOFF_LIMIT,
  type JobOperation,
  type Labels,
  OPT_OUT_ANNOTATION,
  type Policy,
  type Settings,
} from './policy.ts';

/** What was changed, from what to what. */
export interface Change {
  readonly field: 'backoffLimit' | 'restartPolicy';
  readonly from: number | string | undefined;
  readonly to: number | string;
}

/** Why a Job is let through as it is. `namespace-unknown`: it depends on the labels of the namespace, which were not given. */
export const allowReasons = [
  'not-a-job',
  'not-created-or-updated',
  'opted-out',
  'is-over',
  'no-rule',
  'already-capped',
  'namespace-unknown',
] as const;

export type AllowReason = (typeof allowReasons)[number];

export type Decision =
  | { readonly action: 'allow'; readonly reason: AllowReason }
  | {
      readonly action: 'cap';
      /** The name of the rule that asks for it. */
      readonly rule: string;
      readonly job: JsonObject;
      readonly wanted: JsonObject;
      readonly changes: readonly Change[];
    }
  | { readonly action: 'refuse'; readonly problem: string };

/** What an admission request does not carry. */
export interface DecisionContext {
  /** Those of the Job's namespace. Only needed where the answer without them is `namespace-unknown`. */
  readonly namespaceLabels?: Labels | undefined;
}

/** Decides what becomes of an admission request. Repeats every match condition of the registration. */
export function decide(request: AdmissionRequest, policy: Policy, context: DecisionContext = {}): Decision {
  if (request.resource !== 'batch/v1/jobs') return allow('not-a-job');
  const { operation } = request;
  if (operation !== 'CREATE' && operation !== 'UPDATE') return allow('not-created-or-updated');
  const job = readJob(request.object);
  if ('problem' in job) return { action: 'refuse', problem: job.problem };
  if (Object.hasOwn(job.annotations, OPT_OUT_ANNOTATION) && job.annotations[OPT_OUT_ANNOTATION] === 'true') {
    return allow('opted-out');
  }
  // The status in `object` is whatever the client wrote; the API server replaces it only after admission.
  if (isOver(request.oldObject)) return allow('is-over');
  const rules = candidates({ job, namespace: request.namespace }, policy);
  if (rules.length === 0) return allow('no-rule');
  if (rules.every(({ set }) => changesFor(job, set, operation).length === 0)) return allow('already-capped');
  const rule = firstOf(rules, context.namespaceLabels);
  if (rule === 'unknown') return allow('namespace-unknown');
  if (rule === undefined) return allow('no-rule');
  const changes = changesFor(job, rule.set, operation);
  if (changes.length === 0) return allow('already-capped');
  return { action: 'cap', rule: rule.name, job: job.json, wanted: capRetries(job, changes), changes };
}

const allow = (reason: AllowReason): Decision => ({ action: 'allow', reason });

function changesFor(job: Job, set: Settings, operation: JobOperation): Change[] {
  const changes: Change[] = [];
  if ((job.backoffLimit ?? DEFAULT_BACKOFF_LIMIT) > set.backoffLimit) {
    changes.push({ field: 'backoffLimit', from: job.backoffLimit, to: set.backoffLimit });
  }
  // The Pod template is immutable: touching it on UPDATE would turn the user's request into a 422.
  if (operation === 'CREATE' && set.restartPolicy === 'Never' && job.restartPolicy !== 'Never') {
    changes.push({ field: 'restartPolicy', from: job.restartPolicy, to: 'Never' });
  }
  return changes;
}

/** The wanted Job. It shares every part with the one received but those on the way to a change. */
function capRetries(job: Job, changes: readonly Change[]): JsonObject {
  const to = (field: Change['field']) => {
    const change = changes.find((one) => one.field === field);
    return change && { [field]: change.to };
  };
  const podSpec = { ...job.podSpec, ...to('restartPolicy') };
  const template = { ...job.template, spec: podSpec };
  return { ...job.json, spec: { ...job.spec, template, ...to('backoffLimit') } };
}
