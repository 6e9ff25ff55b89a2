import type { V1Job, V1Pod, V1PodSpec } from '@kubernetes/client-node';
import { aTerraformJob } from './a-job.ts';

/**
 * The Jobs of other controllers that run terraform, rebuilt from the sources that docs/reference/presets.md names. They
 * have the fields that the controller sets and that a policy can match, and the fields that decide about retries.
 */

interface PresetJobs {
  /** Jobs that the preset caps, each with the `backoffLimit` that it sets. */
  readonly capped: readonly (readonly [V1Job, number])[];
  /** Jobs that resemble them, and that the preset must leave unchanged. */
  readonly unchanged: readonly V1Job[];
}

interface JobShape {
  readonly metadata: NonNullable<V1Job['metadata']>;
  readonly backoffLimit: number;
  /** Name of the container. */
  readonly container: string;
  readonly serviceAccountName: string;
  /** Default: `Never`. */
  readonly restartPolicy?: string;
}

const NAMESPACE = 'team-a';

const podSpec = (shape: Omit<JobShape, 'metadata' | 'backoffLimit'>): V1PodSpec => ({
  restartPolicy: shape.restartPolicy ?? 'Never',
  serviceAccountName: shape.serviceAccountName,
  containers: [{ name: shape.container, image: 'registry.example.com/terraform:1' }],
});

const job = ({ metadata, backoffLimit, ...pod }: JobShape): V1Job => ({
  apiVersion: 'batch/v1',
  kind: 'Job',
  metadata: { namespace: NAMESPACE, ...metadata },
  spec: { backoffLimit, template: { spec: podSpec(pod) } },
});

/** A Job of terranetes-controller: its template `pkg/assets/job.yaml.tpl` has one container for each stage. */
const terranetes = (stage: string): V1Job =>
  job({
    metadata: {
      generateName: `bucket-${stage}-`,
      labels: {
        'terraform.appvia.io/configuration': 'bucket',
        'terraform.appvia.io/generation': '1',
        'terraform.appvia.io/namespace': 'apps',
        'terraform.appvia.io/stage': stage,
      },
    },
    backoffLimit: 1,
    container: 'terraform',
    serviceAccountName: 'terranetes-executor',
  });

/** A Job of Rancher's terraform-controller: `createJob` in `pkg/terraform/state/deploy.go`. */
const rancher = (name: string, container: string): V1Job =>
  job({
    metadata: { name, labels: { runHash: '0a1b2c3d4e' } },
    backoffLimit: 3,
    container,
    serviceAccountName: 'sa-network-x7k2p',
  });

const GALLEYBYTES_LABELS = {
  'app.kubernetes.io/name': 'terraform-operator',
  'app.kubernetes.io/component': 'terraform-operator-runner',
  'app.kubernetes.io/created-by': 'controller',
  'terraforms.tf.galleybytes.com/resourceName': 'network',
};

/** A plugin Job of GalleyBytes' terraform-operator: `generateJob` in `pkg/controllers/terraform_controller.go`. */
const galleybytes = (labels: Readonly<Record<string, string>>): V1Job =>
  job({
    metadata: { generateName: 'network-abcde-v1-notify-', labels: { ...GALLEYBYTES_LABELS, ...labels } },
    backoffLimit: 1_000_000,
    container: 'notify',
    serviceAccountName: 'tf-network-abcde-v1',
  });

/** A Job of a CronJob: the CronJob controller appends the minutes since 1970 to the name of the CronJob. */
const scheduled = (cronJob: string, container: string): V1Job =>
  job({
    metadata: {
      name: `${cronJob}-29384756`,
      annotations: { 'batch.kubernetes.io/cronjob-scheduled-timestamp': '2025-11-14T03:16:00Z' },
    },
    backoffLimit: 6,
    restartPolicy: 'OnFailure',
    container,
    serviceAccountName: 'default',
  });

/** For each file in examples/policies, Jobs that it must cap, and Jobs that it must leave unchanged. */
export const presetJobs: Readonly<Record<string, PresetJobs>> = {
  'terraform-controller': {
    capped: [
      [aTerraformJob({ name: 'bucket-apply' }), 0],
      [aTerraformJob({ name: 'bucket-destroy' }), 3],
    ],
    unchanged: [aTerraformJob({ name: 'other-apply', serviceAccountName: 'default' })],
  },
  'terranetes-controller': {
    capped: [
      [terranetes('apply'), 0],
      [terranetes('destroy'), 0],
    ],
    unchanged: [
      terranetes('plan'),
      job({
        metadata: { generateName: 'aws-preload-', labels: { 'terranetes.appvia.io/preload-job': 'true' } },
        backoffLimit: 1,
        container: 'loader',
        serviceAccountName: 'terranetes-executor',
      }),
    ],
  },
  'rancher-terraform-controller': {
    capped: [[rancher('job-network-x7k2p', 'agent'), 0]],
    unchanged: [rancher('job-network-b4cd5', 'report'), rancher('build-agent', 'agent')],
  },
  'galleybytes-terraform-operator': {
    capped: [[galleybytes({ 'terraforms.tf.galleybytes.com/isPlugin': 'true' }), 0]],
    unchanged: [galleybytes({})],
  },
  cronjob: {
    capped: [[scheduled('nightly-terraform', 'terraform'), 0]],
    unchanged: [scheduled('nightly-report', 'terraform'), scheduled('nightly-terraform-report', 'report')],
  },
};

/**
 * The Pods of controllers that run terraform without a Job: the runner of tofu-controller (`runnerPodSpec` in
 * `controllers/tf_controller_runner.go`), and a task of GalleyBytes' terraform-operator (`generatePod`) whose
 * `taskOptions` set `restartPolicy: OnFailure`.
 */
export const terraformPods: readonly V1Pod[] = [
  {
    metadata: {
      namespace: NAMESPACE,
      name: 'network-tf-runner',
      labels: { 'app.kubernetes.io/created-by': 'tofu-controller', 'app.kubernetes.io/name': 'tf-runner' },
    },
    spec: podSpec({ container: 'tf-runner', serviceAccountName: 'tf-runner', restartPolicy: 'Always' }),
  },
  {
    metadata: { namespace: NAMESPACE, generateName: 'network-abcde-v1-apply-', labels: GALLEYBYTES_LABELS },
    spec: podSpec({ container: 'task', serviceAccountName: 'tf-network-abcde-v1', restartPolicy: 'OnFailure' }),
  },
];
