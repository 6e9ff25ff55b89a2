import type { Reason } from '../../src/certs/reason-texts.ts';
import type { exitCodes } from '../../src/cli/exit-codes.ts';
import type { RegistrationReason } from '../../src/registration/drift.ts';
import type { EventReason } from '../../src/telemetry/events.ts';
import type { Ending } from '../../src/terraform/ending.ts';

/** The meaning of each Event reason that src/ does not explain, for the table in the documents. */
export const reasonTexts: Readonly<Record<Exclude<EventReason, Reason | RegistrationReason>, string>> = {
  publish: 'the new CA was missing from the live CA bundle and is published again',
  settle: 'the new CA was read back from the live CA bundle, and the settle time begins',
  switch: 'the new CA has signed the serving certificate',
  retire: 'the old CA was removed from the CA bundle, and the rotation has finished',
  paused: 'a write is necessary, but the annotation `terraform.job.kb.io/paused` prevents it',
  conflict: 'another writer keeps reverting the repairs of the daemon, so the daemon waits before the next repair',
  'invalid-annotation': 'the annotation `terraform.job.kb.io/rotate` is neither `serving` nor `ca`',
  'clocks-differ': 'a phase of the rotation begins in the future by the clock of this replica',
  'label-changed': 'another writer or a policy has changed the label `app.kubernetes.io/managed-by` of the Secret',
  'policy-loaded': 'the changed policy file is in force',
  'client-ca-loaded': 'the changed file of `--client-ca-file` is in force',
  CONFIG_INVALID: 'an option or the kubeconfig is invalid',
  CERTIFICATE_ISSUE_FAILED: 'the daemon could not issue or present a certificate',
  CERTIFICATE_FILES_INVALID: 'a file of `--webhook-cert-path` is missing or invalid',
  POLICY_INVALID: 'the policy file is invalid',
  CLIENT_CA_INVALID: 'the file of `--client-ca-file` is invalid',
  SECRET_NOT_OURS:
    'the Secret lacks the managed-by label, and API servers do not trust its certificate, so the daemon does not write it',
  SECRET_DELETING: 'the Secret is being deleted and waits for finalizers, so the daemon cannot write it',
  WRITES_PAUSED:
    'a write of the Secret is necessary, but the pause annotation or the rate limit of repairs prevents it',
  KUBE_FORBIDDEN: 'the API server answered with 401, or with 403 because an RBAC right is missing',
  KUBE_REJECTED:
    'the API server refused a request with another 4xx error, for example because of a quota, a policy or a missing namespace',
  KUBE_CONFLICT: 'the API server answered with 409, because another writer has changed or created the object',
  KUBE_UNAVAILABLE:
    'the API server did not answer in time, or answered with 429 or 5xx, or the exec plugin of the kubeconfig failed',
  REVIEW_MALFORMED: 'the body of a request to the webhook was not a valid AdmissionReview v1',
  SERVER_LISTEN_FAILED: 'the daemon could not listen on a port',
};

export const exitCodeTexts: Readonly<Record<keyof typeof exitCodes, string>> = {
  done: 'The command has succeeded. `inspect` found no problem, no check of `check` failed, `applies` found no failed Job, or `applies retry` created the Job again.',
  failed:
    'The command has failed, `inspect` found a problem, a check of `check` failed, `applies` found a failed Job, or `applies retry` did not succeed.',
  usageError: 'The command, an option, or a value is invalid.',
  incomplete:
    '`inspect` found no problem, but it did not call the endpoint. Or no check of `check` failed, but its dry run proved nothing. Or `applies` found no failed Job, but could not read every Job.',
  interrupted: 'SIGINT or SIGTERM ended `rotate` or `applies retry`, or a second SIGINT ended the daemon at once.',
  terminated: 'A second SIGTERM ended the daemon at once.',
};

/** What the Pods and the conditions of a failed Job show. */
export const endingTexts: { readonly [Kind in Ending['kind']]: string } = {
  exited: 'a container exited with an error',
  'out-of-memory': 'a container ran out of memory (`OOMKilled`)',
  'init-failed': 'an init container exited with an error, so no main container started',
  evicted: 'the kubelet evicted the Pod, for example because its node ran low on disk space',
  disrupted: 'the Pod was deleted by a drain, a preemption or a taint of its node (condition `DisruptionTarget`)',
  'node-lost': 'the node shut down, was removed or does not answer, or the kubelet lost the container',
  deadline: '`activeDeadlineSeconds` of the Job or of the Pod passed',
  'never-started': 'a container did not start, for example because its image cannot be pulled',
  refused: 'the kubelet refused the Pod, for example because the node has too little CPU, so no container started',
  'not-scheduled': 'the scheduler found no node for the Pod, so no container started',
  'pod-gone': 'the Job has no Pod any more, or its Pod was deleted before it finished',
  unknown: 'the daemon cannot list the Pods, or they do not show how they ended',
};
