import type { Ending } from '../../../src/terraform/ending.ts';
import type { Json } from './a-job.ts';

const POD = 'oss-bucket-apply-x7k2p';
const IMAGE = { image: 'docker.io/oamdev/docker-terraform:1.1.5', imageID: '', ready: false };
const times = { startedAt: '2026-11-29T10:00:05Z', finishedAt: '2026-11-29T10:00:09Z' };

type State = Readonly<Record<string, object>>;

const exited = (exitCode: number, reason: string, finishedAt = times.finishedAt): State => ({
  terminated: { exitCode, reason, ...times, finishedAt, containerID: 'containerd://5d1c' },
});
const waiting = (reason: string): State => ({ waiting: { reason } });
const initialising = waiting('PodInitializing');
const completed = exited(0, 'Completed');

const container = (name: string, state: State, rest: object = {}): object => ({
  ...{ name, state, lastState: {}, restartCount: 0, started: false, ...IMAGE },
  ...('waiting' in state ? {} : { containerID: 'containerd://5d1c' }),
  ...rest,
});
/** The statuses of a Pod of terraform-controller. */
const statuses = (init: State, executor: State): object => ({
  initContainerStatuses: [
    container('prepare-input-terraform-configurations', completed),
    container('terraform-init', init),
  ],
  containerStatuses: [container('terraform-executor', executor)],
});
const disrupted = (reason: string): object => ({
  conditions: [
    { type: 'DisruptionTarget', status: 'True', reason, message: 'text', lastTransitionTime: times.startedAt },
  ],
});

const names = (...lists: (readonly Json[])[]): readonly object[] => lists.flat().map(({ name }) => ({ name }));
const INIT = [{ name: 'prepare-input-terraform-configurations' }, { name: 'terraform-init' }];
const MAIN = [{ name: 'terraform-executor' }];

/** Returns a Pod as the kubelet and the API server leave it after its end. Each container of the status is in its spec. */
export const aPod = (status: Json, metadata: object = {}): Json => ({
  metadata: { name: POD, namespace: 'team-a', creationTimestamp: '2026-11-29T10:00:00Z', ...metadata },
  spec: {
    initContainers: names(INIT, status.initContainerStatuses ?? []),
    containers: names(MAIN, status.containerStatuses ?? []),
  },
  status: { phase: 'Failed', ...status },
});

const deleted = { deletionTimestamp: '2026-11-29T10:00:30Z' };
const at = { pod: POD, isKept: true };
const gone = { pod: POD, isKept: false };
const executor = 'terraform-executor';
const EMPTY_DIR = 'Usage of EmptyDir volume "oss-bucket" exceeds the limit "1Mi". ';
const NO_CPU = "Pod was rejected: Node didn't have enough resource: cpu, requested: 900000, used: 0, capacity: 2000";

export interface FailedPod {
  readonly pod: Json;
  readonly ending: Ending;
  readonly text: string;
}

/** A Pod of each ending, and the text about it. */
export const failedPods: Readonly<Record<string, FailedPod>> = {
  'a container that exited': {
    pod: aPod(statuses(completed, exited(1, 'Error'))),
    ending: { kind: 'exited', container: executor, exitCode: 1, reason: 'Error', ...at },
    text: `Container terraform-executor of Pod ${POD} exited with code 1 (Error).`,
  },
  'a container that waits for its next start': {
    pod: aPod(
      {
        phase: 'Running',
        containerStatuses: [
          container(executor, waiting('CrashLoopBackOff'), { lastState: exited(2, 'Error'), restartCount: 1 }),
        ],
      },
      deleted,
    ),
    ending: { kind: 'exited', container: executor, exitCode: 2, reason: 'Error', ...gone },
    text: `Container terraform-executor of Pod ${POD} exited with code 2 (Error).`,
  },
  'a container that used too much memory': {
    pod: aPod(statuses(completed, exited(137, 'OOMKilled'))),
    ending: { kind: 'out-of-memory', container: executor, exitCode: 137, reason: 'OOMKilled', ...at },
    text: `Container terraform-executor of Pod ${POD} ran out of memory and exited with code 137 (OOMKilled).`,
  },
  'an init container that exited': {
    pod: aPod(statuses(exited(1, 'Error'), initialising)),
    ending: { kind: 'init-failed', container: 'terraform-init', exitCode: 1, reason: 'Error', ...at },
    text: `Init container terraform-init of Pod ${POD} exited with code 1 (Error), so no main container started.`,
  },
  'a Pod that the kubelet evicted': {
    pod: aPod({
      ...{ reason: 'Evicted', message: EMPTY_DIR },
      ...disrupted('TerminationByKubelet'),
      ...statuses(completed, exited(137, 'Error')),
    }),
    ending: { kind: 'evicted', reason: 'Evicted', message: EMPTY_DIR.trim(), ...at },
    text: `The kubelet evicted Pod ${POD} (Evicted): Usage of EmptyDir volume "oss-bucket" exceeds the limit "1Mi".`,
  },
  'a Pod that the kubelet preempted': {
    pod: aPod({
      ...{ reason: 'Preempting', message: 'Preempted in order to admit critical pod' },
      ...disrupted('TerminationByKubelet'),
      ...statuses(completed, exited(137, 'Error')),
    }),
    ending: { kind: 'evicted', reason: 'Preempting', message: 'Preempted in order to admit critical pod', ...at },
    text: `The kubelet evicted Pod ${POD} (Preempting): Preempted in order to admit critical pod.`,
  },
  'a Pod that was evicted through the API': {
    pod: aPod({ phase: 'Running', ...disrupted('EvictionByEvictionAPI') }, deleted),
    ending: { kind: 'disrupted', reason: 'EvictionByEvictionAPI', ...gone },
    text: `Pod ${POD} was deleted by an eviction, as kubectl drain requests it (EvictionByEvictionAPI).`,
  },
  'a Pod that the scheduler preempted': {
    pod: aPod({ phase: 'Running', ...disrupted('PreemptionByScheduler') }, deleted),
    ending: { kind: 'disrupted', reason: 'PreemptionByScheduler', ...gone },
    text: `Pod ${POD} was deleted by the scheduler for a Pod with a higher priority (PreemptionByScheduler).`,
  },
  'a Pod on a node with a taint': {
    pod: aPod({ phase: 'Running', ...disrupted('DeletionByTaintManager') }, deleted),
    ending: { kind: 'disrupted', reason: 'DeletionByTaintManager', ...gone },
    text: `Pod ${POD} was deleted because of a taint of its node, as an unreachable node has it (DeletionByTaintManager).`,
  },
  'a Pod with a disruption of another kind': {
    pod: aPod({ phase: 'Running', ...disrupted('DeletionByVendor') }, deleted),
    ending: { kind: 'disrupted', reason: 'DeletionByVendor', ...gone },
    text: `Pod ${POD} was deleted by a disruption (DeletionByVendor).`,
  },
  'a Pod whose node was removed': {
    pod: aPod(disrupted('DeletionByPodGC'), deleted),
    ending: { kind: 'node-lost', reason: 'DeletionByPodGC', ...gone },
    text: `The node of Pod ${POD} was removed, or marked as out of service (DeletionByPodGC).`,
  },
  'a Pod whose node shut down': {
    pod: aPod({
      ...{ reason: 'Terminated', message: 'Pod was terminated in response to imminent node shutdown.' },
      ...disrupted('TerminationByKubelet'),
      ...statuses(completed, exited(143, 'Error')),
    }),
    ending: { kind: 'node-lost', reason: 'Terminated', ...at },
    text: `The node of Pod ${POD} shut down (Terminated).`,
  },
  'a Pod whose node does not answer': {
    pod: aPod({ phase: 'Running', reason: 'NodeLost', message: 'text' }, deleted),
    ending: { kind: 'node-lost', reason: 'NodeLost', ...gone },
    text: `The node of Pod ${POD} does not answer (NodeLost).`,
  },
  'a container that the kubelet lost': {
    pod: aPod(statuses(completed, exited(137, 'ContainerStatusUnknown'))),
    ending: { kind: 'node-lost', reason: 'ContainerStatusUnknown', ...at },
    text: `The node of Pod ${POD} lost a container (ContainerStatusUnknown).`,
  },
  'a Pod with a deadline of its own': {
    pod: aPod({
      ...{ reason: 'DeadlineExceeded', message: 'Pod was active on the node longer than the specified deadline' },
      ...statuses(completed, exited(137, 'Error')),
    }),
    ending: { kind: 'deadline', pod: POD },
    text: `Pod ${POD} was active for longer than its activeDeadlineSeconds.`,
  },
  'a container whose image cannot be pulled': {
    pod: aPod({ phase: 'Pending', ...statuses(completed, waiting('ImagePullBackOff')) }, deleted),
    ending: { kind: 'never-started', container: executor, reason: 'ImagePullBackOff', ...gone },
    text: `Container terraform-executor of Pod ${POD} did not start (ImagePullBackOff).`,
  },
  'a container that was never created before its Pod was deleted': {
    pod: aPod(
      { containerStatuses: [container(executor, exited(137, 'ContainerStatusUnknown'), { containerID: '' })] },
      deleted,
    ),
    ending: { kind: 'never-started', container: executor, reason: 'ContainerStatusUnknown', ...gone },
    text: `Container terraform-executor of Pod ${POD} did not start (ContainerStatusUnknown).`,
  },
  'a Pod whose containers the kubelet lost when it was deleted': {
    pod: aPod(statuses(completed, exited(137, 'ContainerStatusUnknown')), deleted),
    ending: { kind: 'pod-gone', pod: POD },
    text: `Pod ${POD} was deleted before it finished.`,
  },
  'a container whose command does not exist': {
    pod: aPod(statuses(completed, exited(128, 'StartError'))),
    ending: { kind: 'never-started', container: executor, reason: 'StartError', ...at },
    text: `Container terraform-executor of Pod ${POD} did not start (StartError).`,
  },
  'a Pod that the kubelet refused': {
    pod: aPod({ reason: 'OutOfcpu', message: NO_CPU }),
    ending: { kind: 'refused', reason: 'OutOfcpu', message: NO_CPU, ...at },
    text: `The kubelet refused Pod ${POD} (OutOfcpu): ${NO_CPU.replace('Pod was rejected: ', '')}. No container started.`,
  },
  'a Pod that a node under pressure refused': {
    pod: aPod({ reason: 'Evicted', message: 'Pod was rejected: The node had condition: [DiskPressure]. ' }),
    ending: {
      kind: 'refused',
      reason: 'Evicted',
      message: 'Pod was rejected: The node had condition: [DiskPressure].',
      ...at,
    },
    text: `The kubelet refused Pod ${POD} (Evicted): The node had condition: [DiskPressure]. No container started.`,
  },
  'a Pod without a node': {
    pod: aPod(
      { phase: 'Pending', conditions: [{ type: 'PodScheduled', status: 'False', reason: 'Unschedulable' }] },
      deleted,
    ),
    ending: { kind: 'not-scheduled', reason: 'Unschedulable', ...gone },
    text: `The scheduler found no node for Pod ${POD} (Unschedulable). No container started.`,
  },
  'a Pod that was deleted while it ran': {
    pod: aPod({ phase: 'Running', ...statuses(completed, { running: {} }) }, deleted),
    ending: { kind: 'pod-gone', pod: POD },
    text: `Pod ${POD} was deleted before it finished.`,
  },
};
