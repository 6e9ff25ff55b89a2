import { DEFAULT_BACKOFF_LIMIT, type Job, POD } from './job.ts';
import type { JobOperation, Settings } from './policy.ts';
import { celString } from './predicates.ts';

/** One field that a rule changes in a Job. */
export interface Change {
  readonly field: keyof Settings;
  readonly from: number | string | undefined;
  readonly to: number | string;
}

interface SettingField<Wanted> {
  /** The path of the field in a Job, as a JSON Pointer. */
  readonly path: string;
  readonly current: (job: Job) => Change['from'];
  /** Whether the wanted value must be written into the Job. */
  readonly isNeeded: (wanted: Wanted, job: Job, operation: JobOperation) => boolean;
  /**
   * Returns a CEL expression that checks the same as `isNeeded`. The expression checks an optional field with `has()`
   * before it reads the field.
   */
  readonly cel: (wanted: Wanted) => string;
}

/** How the endpoint and CEL apply each field of `set`. */
export const settingFields: { readonly [Name in keyof Settings]: SettingField<Settings[Name]> } = {
  backoffLimit: {
    path: '/spec/backoffLimit',
    current: (job) => job.backoffLimit,
    isNeeded: (limit, job) => (job.backoffLimit ?? DEFAULT_BACKOFF_LIMIT) > limit,
    // The API server sets a missing backoffLimit to its default before it evaluates the expression. The expression
    // also accepts a Job without backoffLimit, as `isNeeded` does.
    cel: (limit) => `(has(object.spec.backoffLimit) ? object.spec.backoffLimit : ${DEFAULT_BACKOFF_LIMIT}) > ${limit}`,
  },
  restartPolicy: {
    path: '/spec/template/spec/restartPolicy',
    current: (job) => job.restartPolicy,
    // The Pod template is immutable. With a change on UPDATE, the API server would refuse the user's request with 422.
    isNeeded: (policy, job, operation) => policy === 'Never' && operation === 'CREATE' && job.restartPolicy !== 'Never',
    cel: (policy) =>
      policy === 'Never'
        ? `(request.operation == 'CREATE' && (!has(${POD}.restartPolicy) || ${POD}.restartPolicy != 'Never'))`
        : 'false',
  },
};

/** Returns the changes that the settings require in a Job; empty if the Job already has the settings. */
export const changesFor = (job: Job, settings: Settings, operation: JobOperation): Change[] =>
  fieldsOf(settings)
    .filter(({ field, wanted }) => field.isNeeded(wanted, job, operation))
    .map(({ name, field, wanted }) => ({ field: name, from: field.current(job), to: wanted }));

/** Returns a CEL expression that holds if the settings require a change in a Job. */
export const isNeededCel = (settings: Settings): string =>
  fieldsOf(settings)
    .map(({ field, wanted }) => field.cel(wanted))
    .join(' || ');

/** Returns a CEL list of JSONPatch operations, which is empty if the Job already has the settings. */
export const changesCel = (settings: Settings): string =>
  fieldsOf(settings)
    .map(({ field, wanted }) => {
      const value = typeof wanted === 'number' ? String(wanted) : celString(wanted);
      return `(${field.cel(wanted)} ? [JSONPatch{op: 'add', path: '${field.path}', value: ${value}}] : [])`;
    })
    .join(' + ');

/**
 * Returns the fields of `set` with their wanted values. The cast is needed because a list loses the type that ties each
 * value to its field.
 */
const fieldsOf = (settings: Settings) =>
  (Object.keys(settingFields) as (keyof Settings)[]).map((name) => ({
    name,
    field: settingFields[name] as SettingField<number | string>,
    wanted: settings[name],
  }));
