import type { JobReference } from '../../backstop/decide.ts';
import type { TerraformAction } from '../../terraform/configuration.ts';
import { logCommandOf } from '../../terraform/ending-text.ts';
import { touchCommand } from '../../terraform/retry-commands.ts';
import { withKubeconfig } from '../kubectl-hints.ts';
import { type Apply, actionFor, type Configuration } from './apply.ts';
import type { Target } from './target.ts';

/** What the cluster has of one Configuration. */
export interface RetryState {
  readonly configuration: Configuration | undefined;
  /** The Jobs of its current action: one, unless a Job of another terraform-controller is left. */
  readonly applies: readonly Apply[];
  /** Further Jobs of its current action, which are not in the namespace that the user has selected with -n. */
  readonly elsewhere: readonly Apply[];
  /** Whether the current user may not list the Jobs of all namespaces, so that a Job can be missing. */
  readonly isPartial: boolean;
}

/** Why nothing is run again, and what the user can do. */
interface Refusal {
  readonly step: 'refuse';
  readonly why: string;
  /** Whether the Configuration does not exist, so that the user may have mistyped its name. */
  readonly isUnknown?: boolean;
}

/** What runs again. */
export type Ready =
  /** The Job was deleted before, for example by an interrupted retry. Only the annotation is missing. */
  | { readonly step: 'touch'; readonly action: TerraformAction; readonly configuration: Configuration }
  | {
      readonly step: 'retry';
      readonly action: TerraformAction;
      readonly configuration: Configuration;
      readonly apply: Apply;
    };

export type RetryPlan = Refusal | Ready;

/** What a user selects. */
export interface Selection {
  /** The Configuration whose Job is run again. */
  readonly target: Target;
  /** The namespace of the Job; `undefined` to find it. */
  readonly namespace: string | undefined;
  /** The kubeconfig that the user named, for the proposed commands. */
  readonly kubeconfig: string | undefined;
}

/** Decides what a retry does. Pure. */
export function planRetry({ target, namespace, kubeconfig }: Selection, state: RetryState, now: Date): RetryPlan {
  const { configuration, applies } = state;
  if (configuration === undefined) return { ...refuse(`${nameOf(target)} does not exist`), isUnknown: true };
  const action = actionFor(configuration);
  const [apply, ...others] = applies;
  if (others.length > 0) {
    const found = applies.map(({ job }) => `${job.namespace}/${job.name}`).join(', ');
    return refuse(`the Configuration has ${applies.length} Jobs: ${found}. Select the namespace of the Job with -n.`);
  }
  if (apply === undefined) {
    if (namespace === undefined) return planWithoutJob(configuration, state);
    const hint = elsewhereText(state, withKubeconfig(touchCommand(configuration, now.toISOString()), kubeconfig));
    return refuse(`${nameOf(configuration)} has no ${action} Job in namespace ${namespace}${hint}`);
  }
  const what = `Job ${apply.job.namespace}/${apply.job.name}`;
  if (apply.isBeingDeleted) return refuse(`${what} is being deleted. Try again when it is gone.`);
  if (apply.state === 'running') {
    const log = logCommandOf(apply.job, { kind: 'unknown' }) ?? '';
    return refuse(`${what} still runs. Its log:\n  ${withKubeconfig(log, kubeconfig)}`);
  }
  if (apply.state === 'succeeded') {
    return refuse(`${what} has succeeded. terraform-controller runs it again after a change of the Configuration.`);
  }
  return { step: 'retry', action, configuration, apply };
}

const refuse = (why: string): Refusal => ({ step: 'refuse', why });

const nameOf = ({ namespace, name }: Target): string => `Configuration ${namespace}/${name}`;

const notFoundText = (configuration: Configuration): string =>
  `${nameOf(configuration)} has no ${actionFor(configuration)} Job in its namespace, and the current user may not list the Jobs of all namespaces. If terraform-controller has --controller-namespace, set -n to that namespace.`;

/** Returns what a user can do who has selected a namespace without a Job. */
function elsewhereText({ elsewhere }: RetryState, touch: string): string {
  const [apply] = elsewhere;
  return apply === undefined
    ? `. After an interrupted retry, this annotation makes terraform-controller create the Job:\n  ${touch}`
    : `. Its Job is ${apply.job.namespace}/${apply.job.name}: leave out -n.`;
}

function planWithoutJob(configuration: Configuration, { isPartial }: RetryState): RetryPlan {
  if (isPartial) return refuse(notFoundText(configuration));
  const action = actionFor(configuration);
  // An annotation would run terraform again although it has succeeded.
  if (!configuration.isWaiting) {
    return refuse(`${nameOf(configuration)} is ${configuration.state} and has no ${action} Job: nothing has failed.`);
  }
  return { step: 'touch', action, configuration };
}

/** What another user did with the Configuration since the plan was made. `removed` is also how a destroy ends. */
export type ConfigurationChange = 'removed' | 'being-deleted' | 'recreated';

/** Returns how the Configuration differs from the planned one, so that no other Job is taken for the new Job. */
function changeOf({ configuration }: RetryState, { action, ...planned }: Ready): ConfigurationChange | undefined {
  if (configuration === undefined) return 'removed';
  if (configuration.uid !== planned.configuration.uid) return 'recreated';
  return actionFor(configuration) === action ? undefined : 'being-deleted';
}

/**
 * Returns what is left of a failed Job that had changed before its deletion: its new version, or `deleted` if another
 * user has deleted it.
 */
export function afterConflict(state: RetryState, plan: Ready, uid: JobReference['uid']) {
  const apply = state.applies.find(({ job }) => job.uid === uid);
  return changeOf(state, plan) ?? (apply === undefined || apply.isBeingDeleted ? 'deleted' : apply.job);
}

/** The new Job. */
export interface Created {
  readonly step: 'created' | 'ended';
  readonly apply: Apply;
}

export interface Changed {
  readonly step: ConfigurationChange;
}

/** What is seen after the retry. */
export type Progress = Created | Changed | { readonly step: 'wait' };

/** Returns how far the retry is. */
export function progressOf(state: RetryState, plan: Ready): Progress {
  const change = changeOf(state, plan);
  if (change !== undefined) return { step: change };
  const former = plan.step === 'retry' ? plan.apply.job.uid : undefined;
  const apply = state.applies.find(({ job }) => job.uid !== former);
  if (apply === undefined) return { step: 'wait' };
  return { step: apply.state === 'running' ? 'created' : 'ended', apply };
}

/** Returns what is known of the new Job. */
export const runOf = (state: RetryState, plan: Ready, uid: JobReference['uid']): Apply | ConfigurationChange | 'gone' =>
  changeOf(state, plan) ?? state.applies.find(({ job }) => job.uid === uid) ?? 'gone';
