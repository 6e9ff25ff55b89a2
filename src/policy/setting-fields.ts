import { asObject, countOf } from '../lib/json.ts';
import { DEFAULT_BACKOFF_LIMIT, isBeingDeleted, type Job, POD } from './job.ts';
import { markCel } from './mark.ts';
import { type JobOperation, OPT_OUT_ANNOTATION, type Rule, type Settings } from './policy.ts';
import { celString, hasEntries, hasEntriesCel } from './predicates.ts';
import { mustKeepRestartPolicy, mustKeepRestartPolicyCel } from './retry-fields.ts';

/** One field that a rule changes in a Job. */
export interface Change {
  readonly field: keyof Settings;
  readonly from: number | string | undefined;
  readonly to: number | string;
}

/** A Job in a request, and the stored Job if the request is an UPDATE. */
export interface WrittenJob {
  readonly job: Job;
  readonly operation: JobOperation;
  readonly stored: unknown;
}

interface SettingField<Wanted> {
  /** The path of the field in a Job, as a JSON Pointer. */
  readonly path: string;
  readonly current: (job: Job) => Change['from'];
  /** Whether a rule with this value sets the field. */
  readonly isSet: (wanted: Wanted) => boolean;
  /** Whether a rule may change the field in this request. */
  readonly mayChange: (written: WrittenJob) => boolean;
  /** Whether the Job has another value than the rule wants. */
  readonly isNeeded: (wanted: Wanted, job: Job) => boolean;
  /**
   * The same checks as CEL expressions, which check an optional field with `has()` before they read it. `wanted` is a
   * CEL expression too.
   */
  readonly mayChangeCel: string;
  readonly isNeededCel: (wanted: string) => string;
  /** A CEL expression of the text in the mark about this field; empty if the Job has no such field. */
  readonly markCel: string;
  /** The value to set, if it is not the wanted value. */
  readonly value?: (wanted: Wanted, written: WrittenJob) => Wanted;
  readonly valueCel?: (wanted: string) => string;
}

const optOut = { [OPT_OUT_ANNOTATION]: 'true' };

export const isOptedOut = ({ annotations }: Job): boolean => hasEntries(annotations, optOut);
const notOptedOutCel = `!(${hasEntriesCel('object.metadata.annotations', optOut)})`;

// On CREATE, `object` has the deletionTimestamp that the client sent, which the API server clears only after admission. A
// check of it would leave such a new Job uncapped.
const notDeletingCel = '(oldObject == null || !has(oldObject.metadata.deletionTimestamp))';

const storedRestartPolicy = (stored: unknown): unknown =>
  asObject(asObject(asObject(asObject(stored).spec).template).spec).restartPolicy;

const STORED_POD = 'oldObject.spec.template.spec';

/**
 * Returns the `backoffLimit` that an UPDATE must not lower, or 0. While the stored Job has a Pod, a lower limit can end
 * a run that has not failed. Only the backstop reads the Pods, and then lowers the limit.
 */
function limitOfRun({ operation, stored }: Pick<WrittenJob, 'operation' | 'stored'>): number {
  const { spec, status } = asObject(stored);
  return operation === 'UPDATE' && countOf(asObject(status).active) > 0 ? countOf(asObject(spec).backoffLimit) : 0;
}
/** The CEL variable that a JSON Patch binds to this limit, and its value. */
export const LIMIT_OF_RUN = 'ofRun';
export const limitOfRunCel =
  "(request.operation == 'UPDATE' && has(oldObject.status) && has(oldObject.status.active)" +
  ' && oldObject.status.active > 0 && has(oldObject.spec.backoffLimit) ? oldObject.spec.backoffLimit : 0)';

const limitOf = ({ backoffLimit }: Job): number => backoffLimit ?? DEFAULT_BACKOFF_LIMIT;
// The API server fills in the default before it calls the webhook. Other callers can omit the field.
const limitCel = `(has(object.spec.backoffLimit) ? object.spec.backoffLimit : ${DEFAULT_BACKOFF_LIMIT})`;

/** How the endpoint and CEL apply each field of `set`. */
export const settingFields: { readonly [Name in keyof Settings]: SettingField<Settings[Name]> } = {
  backoffLimit: {
    path: '/spec/backoffLimit',
    current: (job) => job.backoffLimit,
    isSet: () => true,
    mayChange: (written) =>
      !isOptedOut(written.job) && !isBeingDeleted(written.stored) && limitOf(written.job) > limitOfRun(written),
    mayChangeCel: `${notOptedOutCel} && ${notDeletingCel} && ${limitCel} > ${limitOfRunCel}`,
    isNeeded: (limit, job) => limitOf(job) > limit,
    isNeededCel: (limit) => `${limitCel} > ${limit}`,
    markCel: `(has(object.spec.backoffLimit) ? ',"backoffLimit":' + string(object.spec.backoffLimit) : '')`,
    value: (limit, written) => Math.max(limit, limitOfRun(written)),
    valueCel: (limit) => `${LIMIT_OF_RUN} > ${limit} ? ${LIMIT_OF_RUN} : ${limit}`,
  },
  restartPolicy: {
    path: '/spec/template/spec/restartPolicy',
    current: (job) => job.restartPolicy,
    isSet: (policy) => policy === 'Never',
    // The Pod template of a stored Job is immutable. A user who applies the manifest again sends OnFailure again, and
    // the API server would refuse the request with 422. So an UPDATE puts the stored Never back, also of a Job that has
    // finished, is opted out now, or is being deleted: the request can remove its last finalizer.
    mayChange: ({ job, operation, stored }) =>
      (operation === 'CREATE' ? !isOptedOut(job) : storedRestartPolicy(stored) === 'Never') &&
      !mustKeepRestartPolicy(job),
    mayChangeCel:
      `(request.operation == 'CREATE' ? ${notOptedOutCel} : ` +
      `has(${STORED_POD}.restartPolicy) && ${STORED_POD}.restartPolicy == 'Never') && !(${mustKeepRestartPolicyCel})`,
    // The API server refuses any other value itself.
    isNeeded: (_policy, job) => job.restartPolicy === 'OnFailure',
    isNeededCel: () => `has(${POD}.restartPolicy) && ${POD}.restartPolicy == 'OnFailure'`,
    markCel: `',"restartPolicy":"OnFailure"'`,
  },
};

const names = Object.keys(settingFields) as (keyof Settings)[];

/** Returns the changes that the settings require in a Job; empty if the Job already has the settings. */
export const changesFor = (written: WrittenJob, settings: Settings): Change[] =>
  fieldsOf(settings)
    .filter(({ field, wanted }) => field.isNeeded(wanted, written.job) && field.mayChange(written))
    .map(({ name, field, wanted }) => {
      const to = field.value?.(wanted, written) ?? wanted;
      return { field: name, from: field.current(written.job), to };
    });

/**
 * The CEL variable that has a boolean for each field: whether a rule may change it. An expression binds the variable
 * once, because the value is long and the same for all rules.
 */
export const MAY_CHANGE = 'may';
/** The value of the CEL variable `MAY_CHANGE`: a CEL map with a boolean for each field. */
export const mayChangeCel = `{${Object.entries(settingFields)
  .map(([name, { mayChangeCel }]) => `'${name}': ${mayChangeCel}`)
  .join(', ')}}`;

/** Returns a CEL expression that holds if the settings require a change in a Job. */
export const isNeededCel = (settings: Settings): string =>
  fieldsOf(settings)
    .map(({ name, field, wanted }) => `${MAY_CHANGE}.${name} && ${field.isNeededCel(literal(wanted))}`)
    .join(' || ');

/** The CEL variable that has the name of the first rule that matches, and the fields that it sets. */
export const SET = 'set';

/** Returns the value of the CEL variable `SET` for a rule. `dyn` permits values of several types in one map. */
export const settingsCel = ({ name, set }: Rule): string => {
  const fields = fieldsOf(set).map((field) => `'${field.name}': dyn(${literal(field.wanted)})`);
  return `{${[`'rule': dyn(${literal(name)})`, ...fields].join(', ')}}`;
};

/**
 * Returns a CEL list of JSONPatch operations: the changes that the settings in the variable `SET` require, and the
 * mark. The list is empty if the Job already has the settings.
 */
export function changesCel(): string {
  const fields = names.map((name, nth) => {
    const field = settingFields[name] as SettingField<number | string>;
    const wanted = `${SET}.${name}`;
    const value = field.valueCel?.(wanted) ?? wanted;
    return {
      isNeeded: `'${name}' in ${SET} && ${MAY_CHANGE}.${name} && ${field.isNeededCel(wanted)}`,
      change: `(is[${nth}] ? [JSONPatch{op: 'add', path: '${field.path}', value: ${value}}] : [])`,
      mark: `(is[${nth}] ? ${field.markCel} : '')`,
    };
  });
  const mark = markCel(
    `${SET}.rule`,
    fields.map(({ mark }) => mark),
  );
  return [
    `[[\n${fields.map(({ isNeeded }) => isNeeded).join(',\n')}\n]].map(is,`,
    ...fields.map(({ change }) => `${change} +`),
    `(is.exists(one, one) ? ${mark} : []))[0]`,
  ].join('\n');
}

const literal = (value: number | string): string => (typeof value === 'number' ? String(value) : celString(value));

/**
 * Returns the fields that the settings set, with their wanted values. The cast is needed because a list loses the type
 * that ties each value to its field.
 */
const fieldsOf = (settings: Settings) =>
  names
    .map((name) => ({ name, field: settingFields[name] as SettingField<number | string>, wanted: settings[name] }))
    .filter(({ field, wanted }) => field.isSet(wanted));
