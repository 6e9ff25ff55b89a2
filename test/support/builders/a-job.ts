/** Fields of a Job that a test can set. `undefined` omits the field. */
export interface JobFields {
  readonly name?: unknown;
  readonly backoffLimit?: unknown;
  readonly restartPolicy?: unknown;
  readonly serviceAccountName?: unknown;
  readonly containers?: unknown;
  readonly initContainers?: unknown;
  readonly deletionTimestamp?: unknown;
  readonly conditions?: unknown;
}

/** JSON whose fields a test reads without type checks. */
// biome-ignore lint/suspicious/noExplicitAny: tests read deep into JSON whose shape they wrote themselves.
export type Json = any;

export const executor = { name: 'terraform-executor', image: 'oamdev/docker-terraform:1.1.4' };

/** Returns a Job that no rule matches. */
export function aJob(fields: JobFields = {}): Json {
  const { name, backoffLimit, deletionTimestamp, conditions, ...podFields } = {
    name: 'report',
    backoffLimit: 6,
    restartPolicy: 'Never',
    serviceAccountName: 'default',
    containers: [{ name: 'report', image: 'busybox:1.37' }],
    ...fields,
  };
  const job = {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: { name, namespace: 'team-a', deletionTimestamp },
    spec: {
      parallelism: 1,
      completions: 1,
      backoffLimit,
      template: { metadata: { annotations: { 'sidecar.istio.io/inject': 'false' } }, spec: podFields },
    },
    status: conditions === undefined ? {} : { conditions },
  };
  return JSON.parse(JSON.stringify(job));
}

/** Returns a Job as terraform-controller creates it, with the highest backoffLimit. */
export const aTerraformJob = (fields: JobFields = {}): Json =>
  aJob({
    name: 'oss-bucket-apply',
    backoffLimit: 2147483647,
    restartPolicy: 'OnFailure',
    serviceAccountName: 'tf-executor-service-account',
    containers: [executor],
    ...fields,
  });
