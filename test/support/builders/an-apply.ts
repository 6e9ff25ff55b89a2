import { type Apply, applyOf } from '../../../src/commands/applies/apply.ts';
import type { Json } from './a-job.ts';

/** The uid of the Configuration of `aStoredConfiguration`. */
export const UID = 'cb32d57d-9351-4e33-80dc-aaf4249d0f34';

/** Fields of a stored Job that a test can set. */
export interface StoredJobFields {
  readonly name?: string;
  readonly namespace?: string;
  readonly uid?: string;
  /** The name of the Configuration, which the first volume has. */
  readonly volume?: string;
  readonly serviceAccountName?: string;
  readonly backoffLimit?: number;
  readonly annotations?: object;
  readonly createdAt?: string;
  readonly deletionTimestamp?: string;
  /** The types of the conditions that are true. */
  readonly types?: readonly string[];
}

/** Returns a stored Job of terraform-controller, capped, with the fields that `applies` reads. */
export function aStoredJob(fields: StoredJobFields = {}): Json {
  const { name = 'oss-bucket-apply', namespace = 'team-a', uid = 'job-1', volume = 'oss-bucket' } = fields;
  const { serviceAccountName = 'tf-executor-service-account', backoffLimit = 0, types = [] } = fields;
  const input = { name: 'tf-input-configuration', configMap: { name: `tf-${name.replace(/-(apply|destroy)$/, '')}` } };
  const podSpec = {
    serviceAccountName,
    restartPolicy: 'Never',
    containers: [{ name: 'terraform-executor' }],
    volumes: [{ name: volume, emptyDir: {} }, input],
  };
  const { annotations, deletionTimestamp, createdAt = '2026-11-29T11:00:00Z' } = fields;
  const job = {
    metadata: {
      name,
      namespace,
      uid,
      resourceVersion: '7',
      annotations,
      creationTimestamp: createdAt,
      deletionTimestamp,
    },
    spec: { backoffLimit, template: { spec: podSpec } },
    status: { conditions: types.map((type) => ({ type, status: 'True' })) },
  };
  return JSON.parse(JSON.stringify(job));
}

/** Returns what `applies` reads in such a Job. */
export function anApply(fields: StoredJobFields): Apply {
  const apply = applyOf(aStoredJob(fields));
  if (apply === undefined) throw new Error('not a Job of terraform-controller');
  return apply;
}

/** Returns the stored Configuration team-a/oss-bucket, whose apply has not succeeded. */
export const aStoredConfiguration = ({ state = 'ProvisioningAndChecking', isBeingDeleted = false } = {}): Json => ({
  metadata: {
    namespace: 'team-a',
    name: 'oss-bucket',
    uid: UID,
    ...(isBeingDeleted ? { deletionTimestamp: '2026-11-29T11:30:00Z' } : {}),
  },
  status: { apply: { state }, ...(isBeingDeleted ? { destroy: { state: 'Destroying' } } : {}) },
});
