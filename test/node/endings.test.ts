import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { V1Container, V1Job, V1JobSpec, V1Pod, V1PodSpec } from '@kubernetes/client-node';
import { ensureTerraformImages } from '../../tools/image/images.ts';
import { NODE_NAME } from '../../tools/node/layout.ts';
import { eventually } from '../support/eventually.ts';
import {
  createRestrictedNamespace,
  createTerraformJob,
  install,
  logOf,
  notRetriedNote,
  type Stage,
  startStage,
} from './support.ts';

const STARTED_MS = 60_000;

interface Case {
  /** Changes of the Job, of its Pod, and of the containers `terraform-executor` and `terraform-init`. */
  readonly job?: Partial<V1JobSpec>;
  readonly pod?: Partial<V1PodSpec>;
  readonly executor?: Partial<V1Container>;
  readonly init?: Partial<V1Container>;
  /** Whether the Pod is evicted through the API when the container `terraform-executor` runs. */
  readonly isDrained?: boolean;
  /** The first sentence of the Event. */
  readonly failed?: string;
  /** The sentences of the Event about the end of the Job, as a regular expression. */
  readonly seen: (pod: string) => string;
  /** The arguments of `kubectl logs` in the Event, or another sentence about the log. */
  readonly log: { readonly args: string } | { readonly text: string };
  /** Whether the Pod exists after the end of the Job. */
  readonly isPodKept: boolean;
}

/** A container that logs a line and then runs the script. */
const says = (script: string): Partial<V1Container> => ({
  command: ['/nodejs/bin/node', '-e', `console.log('hello'); ${script}`],
});
const HANG = 'setTimeout(() => {}, 3600_000);';
const LATE = 'failed with DeadlineExceeded and is not retried.';
const OF_EXECUTOR = { args: '-c terraform-executor' };
const OF_INIT = { args: '-c terraform-init' };
const OF_ALL = { args: '--all-containers --ignore-errors' };
const LOG_GONE = { text: ' Any log is deleted with the Pod.' };
const NO_LOG = { text: '' };

const cases: Readonly<Record<string, Case>> = {
  'a container that exits with code 3': {
    executor: says('process.exit(3)'),
    seen: (pod) => `Container terraform-executor of Pod ${pod} exited with code 3 \\(Error\\)\\.`,
    log: OF_EXECUTOR,
    isPodKept: true,
  },
  'an init container that exits with code 4': {
    init: says('process.exit(4)'),
    seen: (pod) =>
      `Init container terraform-init of Pod ${pod} exited with code 4 \\(Error\\), so no main container started\\.`,
    log: OF_INIT,
    isPodKept: true,
  },
  'a container that uses more memory than its limit': {
    executor: {
      ...says('const all = []; for (;;) all.push(Buffer.alloc(1e7, 1))'),
      resources: { limits: { memory: '100Mi' } },
    },
    seen: (pod) =>
      `Container terraform-executor of Pod ${pod} ran out of memory and exited with code 137 \\(OOMKilled\\)\\.`,
    log: OF_EXECUTOR,
    isPodKept: true,
  },
  'a Pod that the kubelet evicts': {
    executor: says(`require('fs').writeFileSync('/data/big', Buffer.alloc(4e6)); ${HANG}`),
    pod: { volumes: [{ name: 'oss-bucket', emptyDir: { sizeLimit: '1Mi' } }] },
    seen: (pod) =>
      `The kubelet evicted Pod ${pod} \\(Evicted\\): Usage of EmptyDir volume "oss-bucket" exceeds the limit "1Mi"\\.`,
    log: { text: ' Its log is deleted with its containers.' },
    isPodKept: true,
  },
  'a Pod that is evicted through the API': {
    executor: says(HANG),
    isDrained: true,
    seen: (pod) => `Pod ${pod} was deleted by an eviction, as kubectl drain requests it \\(EvictionByEvictionAPI\\)\\.`,
    log: LOG_GONE,
    isPodKept: false,
  },
  'a Job that runs until its deadline': {
    executor: says(HANG),
    job: { activeDeadlineSeconds: 15 },
    failed: LATE,
    seen: () => 'The Job was active for longer than its activeDeadlineSeconds\\.',
    log: LOG_GONE,
    isPodKept: false,
  },
  'a Pod that runs until its own deadline': {
    executor: says(HANG),
    pod: { activeDeadlineSeconds: 15 },
    seen: (pod) => `Pod ${pod} was active for longer than its activeDeadlineSeconds\\.`,
    log: OF_ALL,
    isPodKept: true,
  },
  'an image that does not exist, until the deadline of the Job': {
    executor: { image: 'localhost/absent:1' },
    job: { activeDeadlineSeconds: 20 },
    failed: LATE,
    // The kubelet ends a Pod without a running container at once, so the backstop can read it too late for the reason.
    seen: (pod) =>
      `(Container terraform-executor of Pod ${pod} did not start \\((ErrImagePull|ImagePullBackOff|ContainerStatusUnknown)\\)\\.` +
      '|The Job was active for longer than its activeDeadlineSeconds\\. Any log is deleted with the Pod\\.)',
    log: NO_LOG,
    isPodKept: false,
  },
  'a command that does not exist': {
    executor: { command: ['/absent'] },
    seen: (pod) => `Container terraform-executor of Pod ${pod} did not start \\(StartError\\)\\.`,
    log: NO_LOG,
    isPodKept: true,
  },
  'a Pod that the kubelet refuses': {
    executor: { resources: { requests: { cpu: '1000' } } },
    pod: { nodeName: NODE_NAME },
    seen: (pod) =>
      `The kubelet refused Pod ${pod} \\(OutOfcpu\\): Node didn't have enough resource: cpu, requested: 1000\\d+, ` +
      'used: \\d+, capacity: \\d+\\. No container started\\.',
    log: NO_LOG,
    isPodKept: true,
  },
};

const escaped = (text: string): string => text.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&');

/** Returns a regular expression that matches the whole message of the expected Event. */
function expectedNote({ failed, seen, log }: Case, namespace: string, pod: string): RegExp {
  const kubectl = `kubectl -n ${namespace}`;
  const touch = `${kubectl} annotate --overwrite configurations.terraform.core.oam.dev oss-bucket terraform.job.kb.io/retried-at=$(date +%s)`;
  const retry = `\`${kubectl} delete job oss-bucket-apply && ${touch}\``;
  const ofLog = 'text' in log ? log.text : ` Its log: \`${kubectl} logs ${pod} ${log.args}\`.`;
  const start = escaped(`This Job ${failed ?? 'failed, and the policy allows no retry.'} `);
  return new RegExp(`^${start}${seen(pod)}${escaped(`${ofLog} To run it again after fixing the cause: ${retry}.`)}$`);
}

function changed(job: V1Job, { job: ofJob, pod: ofPod, executor, init }: Case): V1Job {
  const spec = job.spec as V1JobSpec;
  const pod = spec.template.spec as V1PodSpec;
  // Without a ticket system `terraform init` fails.
  const ofInit = (one: V1Container) => (one.name === 'terraform-init' ? { ...one, ...says(''), ...init } : one);
  const initContainers = pod.initContainers?.map(ofInit);
  const containers = pod.containers.map((one) => ({ ...one, ...executor }));
  const volumes = [...(ofPod?.volumes ?? pod.volumes?.slice(0, 1) ?? []), ...(pod.volumes?.slice(1) ?? [])];
  // The API server waits this long for the containers of a deleted Pod.
  const rest = { ...ofPod, ...(initContainers ? { initContainers } : {}), terminationGracePeriodSeconds: 2 };
  const template = { ...spec.template, spec: { ...pod, ...rest, containers, volumes } };
  return { ...job, spec: { ...spec, ...ofJob, template } };
}

describe('the Event on a failed Job, on a real node', () => {
  let stage: Stage;
  before(async () => {
    stage = await startStage(ensureTerraformImages);
    await createRestrictedNamespace(stage);
    await install(stage);
  });
  after(() => stage?.stop());

  const podIn = (namespace: string, check: (pod: V1Pod) => void): Promise<string> =>
    eventually(
      async () => {
        const [pod, ...others] = (await stage.core.listNamespacedPod({ namespace })).items;
        assert.ok(pod);
        assert.deepEqual(others, []);
        check(pod);
        return pod.metadata?.name ?? '';
      },
      { withinMs: STARTED_MS },
    );
  async function drain(namespace: string): Promise<void> {
    const name = await podIn(namespace, ({ status }) => {
      assert.ok(status?.containerStatuses?.[0]?.state?.running);
    });
    const body = { apiVersion: 'policy/v1', kind: 'Eviction', metadata: { name, namespace } };
    await stage.core.createNamespacedPodEviction({ namespace, name, body });
  }

  describe('for each ending', { concurrency: 3 }, () => {
    for (const [index, [what, one]] of Object.entries(cases).entries()) {
      it(`the Event about ${what} is true, and its command reads the log`, async (t) => {
        const namespace = `ending-${index}`;
        const { uid } = await createTerraformJob(stage, namespace, (job) => changed(job, one));
        const pod = await podIn(namespace, () => {});
        if (one.isDrained) await drain(namespace);
        const note = await notRetriedNote(stage, namespace, uid);
        t.diagnostic(note);
        assert.match(note, expectedNote(one, namespace, pod));
        // The Job can fail before the kubelet has removed its Pod.
        await eventually(async () => {
          const { items } = await stage.core.listNamespacedPod({ namespace });
          assert.equal(items.length, one.isPodKept ? 1 : 0);
        });
        if ('args' in one.log) return assert.match(await logOf(stage, note), /^hello$/m);
        const logs = ['logs', pod, '-c', 'terraform-executor'];
        await eventually(async () =>
          assert.doesNotMatch(await stage.kubectl('-n', namespace, ...logs).catch(() => ''), /hello/),
        );
      });
    }
  });
});
