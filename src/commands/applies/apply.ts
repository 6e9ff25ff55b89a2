import { type JobReference, referenceOf } from '../../backstop/decide.ts';
import { asObject, type JsonObject, objectsIn } from '../../lib/json.ts';
import { limitBefore } from '../../policy/mark.ts';
import { MARK_ANNOTATION } from '../../policy/policy.ts';
import { configurationOf, type JobConfiguration, type TerraformAction } from '../../terraform/configuration.ts';
import { isWaiting } from '../../terraform/waiting.ts';
import type { Target } from './target.ts';

export type ApplyState = 'failed' | 'running' | 'succeeded';

/** A Job of terraform-controller, or another Job that the daemon has capped. */
export interface Apply {
  readonly job: JobReference;
  /** `undefined` if the Job is no Job of terraform-controller. */
  readonly of: JobConfiguration | undefined;
  readonly state: ApplyState;
  readonly isBeingDeleted: boolean;
  readonly isCapped: boolean;
  readonly backoffLimit: unknown;
  readonly restartPolicy: unknown;
  readonly createdAt: Date;
  readonly status: JsonObject;
}

/** Returns what a stored Job says; `undefined` if it is neither a Job of terraform-controller nor capped. */
export function applyOf(stored: unknown): Apply | undefined {
  const job = referenceOf(stored);
  const of = configurationOf(stored);
  const { metadata, spec, status } = asObject(stored);
  const { annotations, creationTimestamp, deletionTimestamp } = asObject(metadata);
  const isMarked = Object.hasOwn(asObject(annotations), MARK_ANNOTATION);
  if (job === undefined || (of === undefined && !isMarked)) return undefined;
  const { backoffLimit, template } = asObject(spec);
  return {
    job,
    of,
    state: stateOf(asObject(status)),
    isBeingDeleted: typeof deletionTimestamp === 'string',
    // Also a user can write a mark, or raise the limit of a marked Job.
    isCapped: backoffLimit === 0 || Number(backoffLimit) < limitBefore(asObject(annotations)[MARK_ANNOTATION]),
    backoffLimit,
    restartPolicy: asObject(asObject(template).spec).restartPolicy,
    createdAt: new Date(String(creationTimestamp)),
    status: asObject(status),
  };
}

function stateOf({ conditions }: JsonObject): ApplyState {
  const has = (wanted: string) =>
    objectsIn(conditions).some(({ type, status }) => type === wanted && status === 'True');
  if (has('Failed')) return 'failed';
  return has('Complete') ? 'succeeded' : 'running';
}

/** What a retry reads in a Configuration. */
export interface Configuration extends Target {
  readonly uid: string;
  readonly isBeingDeleted: boolean;
  /** The state that terraform-controller wrote, such as `ProvisioningAndChecking`; empty if it wrote none. */
  readonly state: string;
  /** Whether the last apply or destroy has not succeeded. */
  readonly isWaiting: boolean;
}

export function readConfiguration(stored: unknown): Configuration | undefined {
  const { metadata, status } = asObject(stored);
  const { namespace, name, uid, deletionTimestamp } = asObject(metadata);
  if (typeof namespace !== 'string' || typeof name !== 'string' || typeof uid !== 'string') return undefined;
  const isBeingDeleted = typeof deletionTimestamp === 'string';
  const action = isBeingDeleted ? 'destroy' : 'apply';
  const { state } = asObject(asObject(status)[action]);
  return {
    namespace,
    name,
    uid,
    isBeingDeleted,
    state: typeof state === 'string' ? state : '',
    isWaiting: isWaiting(stored, action),
  };
}

/** What terraform-controller does next with a Configuration. */
export const actionFor = ({ isBeingDeleted }: Configuration): TerraformAction => (isBeingDeleted ? 'destroy' : 'apply');

/** Returns whether a Job is the Job of this Configuration. */
export function belongsTo({ of }: Apply, { namespace, name, uid }: Configuration): boolean {
  if (of === undefined) return false;
  return 'uid' in of ? of.uid === uid : of.namespace === namespace && of.name === name;
}
