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
  /** Where the field is in a Job, as a JSON Pointer. */
  readonly path: string;
  readonly current: (job: Job) => Change['from'];
  /** Whether the wanted value must be written into the Job. */
  readonly isNeeded: (wanted: Wanted, job: Job, operation: JobOperation) => boolean;
  /** The same as an expression of CEL, which reads no field before `has()` says that it is there. */
  readonly cel: (wanted: Wanted) => string;
}

/** How each field of `set` is applied, by the endpoint and in CEL. */
export const settingFields: { readonly [Name in keyof Settings]: SettingField<Settings[Name]> } = {
  backoffLimit: {
    path: '/spec/backoffLimit',
    current: (job) => job.backoffLimit,
    isNeeded: (limit, job) => (job.backoffLimit ?? DEFAULT_BACKOFF_LIMIT) > limit,
    // The API server writes the default into every Job; other callers may not.
    cel: (limit) => `(has(object.spec.backoffLimit) ? object.spec.backoffLimit : ${DEFAULT_BACKOFF_LIMIT}) > ${limit}`,
  },
  restartPolicy: {
    path: '/spec/template/spec/restartPolicy',
    current: (job) => job.restartPolicy,
    // The Pod template is immutable: a change of it on UPDATE would turn the user's request into a 422.
    isNeeded: (policy, job, operation) => policy === 'Never' && operation === 'CREATE' && job.restartPolicy !== 'Never',
    cel: (policy) =>
      policy === 'Never'
        ? `(request.operation == 'CREATE' && (!has(${POD}.restartPolicy) || ${POD}.restartPolicy != 'Never'))`
        : 'false',
  },
};

/** What the settings change in a Job; empty if the Job has them already. */
export const changesFor = (job: Job, settings: Settings, operation: JobOperation): Change[] =>
  fieldsOf(settings)
    .filter(({ field, wanted }) => field.isNeeded(wanted, job, operation))
    .map(({ name, field, wanted }) => ({ field: name, from: field.current(job), to: wanted }));

/** Whether the settings change anything in a Job. */
export const isNeededCel = (settings: Settings): string =>
  fieldsOf(settings)
    .map(({ field, wanted }) => field.cel(wanted))
    .join(' || ');

/** A list of JSONPatch operations, empty if the Job has the settings already. */
export const changesCel = (settings: Settings): string =>
  fieldsOf(settings)
    .map(({ field, wanted }) => {
      const value = typeof wanted === 'number' ? String(wanted) : celString(wanted);
      return `(${field.cel(wanted)} ? [JSONPatch{op: 'add', path: '${field.path}', value: ${value}}] : [])`;
    })
    .join(' + ');

/** The table's type ties each value to its field, which TypeScript forgets in a list. */
const fieldsOf = (settings: Settings) =>
  (Object.keys(settingFields) as (keyof Settings)[]).map((name) => ({
    name,
    field: settingFields[name] as SettingField<number | string>,
    wanted: settings[name],
  }));
