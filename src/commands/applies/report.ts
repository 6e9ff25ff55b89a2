import { exitCodes } from '../../cli/exit-codes.ts';
import type { Ending } from '../../terraform/ending.ts';
import { endingText, logCommandOf } from '../../terraform/ending-text.ts';
import { retryCommand } from '../../terraform/retry-commands.ts';
import { withKubeconfig } from '../kubectl-hints.ts';
import { type Apply, belongsTo, type Configuration } from './apply.ts';
import type { Target } from './target.ts';

/** The results of `applies` and their exit codes. Code 2 is reserved for usage errors. */
export const appliesVerdicts = {
  none: { exitCode: exitCodes.done, meaning: 'no apply and no destroy has failed' },
  failed: { exitCode: exitCodes.failed, meaning: 'at least one apply or destroy has failed' },
  incomplete: {
    exitCode: exitCodes.incomplete,
    meaning: 'no failed apply was found, but the current user may not read every Job',
  },
} as const;

/** One failed or running Job. */
export interface ReportedApply {
  /** Of the Configuration; of the Job if the Configuration is not known. */
  readonly namespace: string;
  readonly configuration: string | null;
  readonly job: { readonly namespace: string; readonly name: string };
  readonly action: 'apply' | 'destroy' | null;
  readonly state: 'failed' | 'running';
  readonly capped: boolean;
  readonly createdAt: Date;
  /** How a failed Job ended, as far as its Pods show it. */
  readonly ending: { readonly kind: Ending['kind']; readonly exitCode: number | null; readonly text: string } | null;
  /** `null` if there is no log any more. */
  readonly logCommand: string | null;
  /** `null` if the Job runs, or if its Configuration is not known. */
  readonly retryCommand: string | null;
}

/** The report that `applies -o json` prints. docs/reference/applies.schema.json is its JSON Schema. */
export interface AppliesReport {
  /** Version of the format of `-o json`. A new version means that a field was renamed or removed. */
  readonly format: 1;
  readonly at: Date;
  readonly verdict: keyof typeof appliesVerdicts;
  /** The namespace that was listed; `null` for all namespaces. */
  readonly namespace: string | null;
  readonly applies: readonly ReportedApply[];
  /** What the current user may not read, and what is therefore missing. */
  readonly notes: readonly string[];
}

/** A Job, and how it ended if it has failed. */
export type EndedApply = Apply & { readonly ending: Ending | undefined };

/** What the current user may read of the applies. */
export interface ReadApplies {
  /** `undefined` for all namespaces. */
  readonly namespace: string | undefined;
  readonly applies: readonly EndedApply[];
  readonly configurations: readonly Configuration[];
  readonly arePodsRefused: boolean;
  readonly areConfigurationsRefused: boolean;
  /** Configurations without a Job beside them, if the current user may not list the Jobs of all namespaces. */
  readonly hidden: readonly Configuration[];
  /** Whether a failed Job of the namespace cannot be missing. */
  readonly isEveryJobKnown: boolean;
}

/** @param kubeconfig what the commands of the report must name; `undefined` if the user named no kubeconfig. */
export function createReport(read: ReadApplies, at: Date, kubeconfig?: string): AppliesReport {
  const applies = read.applies
    .map((apply) => reported(apply, read.configurations, kubeconfig))
    .toSorted((one, other) => one.state.localeCompare(other.state) || +other.createdAt - +one.createdAt);
  const isFailed = applies.some(({ state }) => state === 'failed');
  const verdict = isFailed ? 'failed' : read.isEveryJobKnown ? 'none' : 'incomplete';
  return { format: 1, at, verdict, namespace: read.namespace ?? null, applies, notes: notesOf(read) };
}

function reported(apply: EndedApply, configurations: readonly Configuration[], kubeconfig?: string): ReportedApply {
  const { of, job, ending } = apply;
  const target = targetOf(apply, configurations);
  const log = logCommandOf(job, ending ?? { kind: 'unknown' });
  const state = apply.state === 'failed' ? 'failed' : 'running';
  return {
    namespace: target?.namespace ?? job.namespace,
    configuration: of?.name ?? null,
    job: { namespace: job.namespace, name: job.name },
    action: of?.action ?? null,
    state,
    capped: apply.isCapped,
    createdAt: apply.createdAt,
    ending: ending === undefined ? null : reportedEnding(ending),
    logCommand: log === undefined ? null : withKubeconfig(log, kubeconfig),
    retryCommand: state === 'failed' && target ? withKubeconfig(retryCommand(target), kubeconfig) : null,
  };
}

/** Returns the Configuration of a Job; `undefined` if its namespace is unknown. */
function targetOf(apply: Apply, configurations: readonly Configuration[]): Target | undefined {
  const { of } = apply;
  if (of !== undefined && 'namespace' in of) return of;
  return configurations.find((configuration) => belongsTo(apply, configuration));
}

const reportedEnding = (ending: Ending) => ({
  kind: ending.kind,
  exitCode: 'exitCode' in ending ? ending.exitCode : null,
  text: endingText(ending),
});

function notesOf({ arePodsRefused, areConfigurationsRefused, hidden }: ReadApplies): string[] {
  const names = hidden.map(({ namespace, name }) => `${namespace}/${name}`).join(', ');
  return [
    ...(arePodsRefused ? ['the current user may not list Pods, so the exit codes are unknown'] : []),
    ...(areConfigurationsRefused
      ? [
          'the current user may not list Configurations: with --controller-namespace, a Job can be missing, or the namespace of its Configuration is unknown',
        ]
      : []),
    ...(hidden.length > 0
      ? [`no Job was found for ${names}, and the current user may not list the Jobs of all namespaces`]
      : []),
  ];
}
