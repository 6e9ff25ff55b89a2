import { shellWord } from '../lib/text.ts';
import type { Ending } from './ending.ts';

/** Returns one or two sentences about how a failed Job ended, at most 460 characters. They say only what was seen. */
export function endingText(ending: Ending): string {
  switch (ending.kind) {
    case 'exited':
      return `Container ${ending.container} of Pod ${ending.pod} ${exitText(ending)}.`;
    case 'out-of-memory':
      return `Container ${ending.container} of Pod ${ending.pod} ran out of memory and ${exitText(ending)}.`;
    case 'init-failed':
      return `Init container ${ending.container} of Pod ${ending.pod} ${exitText(ending)}, so no main container started.`;
    case 'evicted':
      return `The kubelet evicted Pod ${ending.pod}${because(ending)}.`;
    case 'disrupted':
      return `Pod ${ending.pod} was deleted ${disruptions[ending.reason] ?? 'by a disruption'}${inBrackets(ending)}.`;
    case 'node-lost':
      return `The node of Pod ${ending.pod} ${nodeLosses[ending.reason] ?? 'lost a container'}${inBrackets(ending)}.`;
    case 'deadline':
      return `${ending.pod === undefined ? 'The Job' : `Pod ${ending.pod}`} was active for longer than its activeDeadlineSeconds.`;
    case 'never-started':
      return `Container ${ending.container} of Pod ${ending.pod} did not start${inBrackets(ending)}.`;
    case 'refused':
      return `The kubelet refused Pod ${ending.pod}${because(ending)}. No container started.`;
    case 'not-scheduled':
      return `The scheduler found no node for Pod ${ending.pod}${inBrackets(ending)}. No container started.`;
    case 'pod-gone':
      if (ending.pod !== undefined) return `Pod ${ending.pod} was deleted before it finished.`;
      return 'The Job has no Pod any more, so how it ended is not known.';
    case 'unknown':
      return 'How its Pod ended is not known.';
  }
}

const exitText = ({ exitCode, reason }: { readonly exitCode: number; readonly reason: string | undefined }): string =>
  `exited with code ${exitCode}${inBrackets({ reason })}`;

const inBrackets = ({ reason = '' }: { readonly reason: string | undefined }): string =>
  reason === '' ? '' : ` (${reason})`;

/** The reason and, if there is one, the message of the kubelet, which has a prefix and can end with a full stop. */
function because({ reason, message }: { readonly reason: string; readonly message: string }): string {
  const text = message.replace(/^Pod was rejected: /, '').replace(/[.\s]+$/, '');
  return `${inBrackets({ reason })}${text === '' ? '' : `: ${text}`}`;
}

/** By the reason of the Pod condition DisruptionTarget. */
const disruptions: Readonly<Record<string, string>> = {
  EvictionByEvictionAPI: 'by an eviction, as kubectl drain requests it',
  PreemptionByScheduler: 'by the scheduler for a Pod with a higher priority',
  DeletionByTaintManager: 'because of a taint of its node, as an unreachable node has it',
};

/** By the reason of the ending. */
const nodeLosses: Readonly<Record<string, string>> = {
  DeletionByPodGC: 'was removed, or marked as out of service',
  NodeLost: 'does not answer',
  Terminated: 'shut down',
};

/** The reasons that decide about a text of ours. */
const OWN_REASONS: readonly string[] = ['Evicted', ...Object.keys(disruptions), ...Object.keys(nodeLosses)];

/** Returns an ending without the texts that a client with the right to patch `pods/status` can choose freely. */
export function withoutFreeText(ending: Ending): Ending {
  const silent = 'message' in ending ? { ...ending, message: '' } : ending;
  return 'reason' in silent && !OWN_REASONS.includes(silent.reason ?? '') ? { ...silent, reason: '' } : silent;
}

/** Whether kubectl can read the log of a failed Job: yes, perhaps, no longer, or there was never a log. */
export type LogState = 'kept' | 'uncertain' | 'gone' | 'none';

export function logStateOf(ending: Ending): LogState {
  switch (ending.kind) {
    case 'exited':
    case 'out-of-memory':
    case 'init-failed':
      return ending.isKept ? 'kept' : 'gone';
    case 'deadline':
      return ending.pod === undefined ? 'gone' : 'kept';
    case 'evicted':
      // After an eviction the kubelet removes the containers: `PodIsEvicted` in k8s.io/kubernetes/pkg/kubelet/kubelet.go.
      return ending.isKept && ending.reason !== 'Evicted' ? 'uncertain' : 'gone';
    case 'disrupted':
    case 'node-lost':
      return ending.isKept ? 'uncertain' : 'gone';
    case 'pod-gone':
      return 'gone';
    case 'never-started':
    case 'refused':
    case 'not-scheduled':
      return 'none';
    case 'unknown':
      return 'uncertain';
  }
}

/** Returns the command that prints the log of a failed Job, or `undefined` if there is no log. */
export function logCommandOf(
  { namespace, name }: { readonly namespace: string; readonly name: string },
  ending: Ending,
): string | undefined {
  if (!['kept', 'uncertain'].includes(logStateOf(ending))) return undefined;
  const logs = `kubectl -n ${shellWord(namespace)} logs`;
  if ('container' in ending) return `${logs} ${shellWord(ending.pod)} -c ${shellWord(ending.container)}`;
  // A container that never started has no log, and kubectl would end at it.
  const all = '--all-containers --ignore-errors';
  const of = 'pod' in ending && ending.pod !== undefined ? ending.pod : `job/${name}`;
  return `${logs} ${shellWord(of)} ${all}`;
}
