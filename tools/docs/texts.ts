import type { Reason } from '../../src/certs/reason-texts.ts';
import type { exitCodes } from '../../src/cli/exit-codes.ts';
import type { RegistrationReason } from '../../src/registration/drift.ts';
import type { EventReason } from '../../src/telemetry/events.ts';

/** Meanings of the reasons that have no meaning text in src/. */
export const reasonTexts: Readonly<Record<Exclude<EventReason, Reason | RegistrationReason>, string>> = {
  publish: 'the new CA was missing from the live CA bundle and is published again',
  settle: 'the new CA was read back from the live CA bundle, and the settle time begins',
  switch: 'the new CA has replaced the old CA as the issuer',
  retire: 'the old CA was removed from the CA bundle, and the rotation has finished',
  paused: 'the annotation `terraform.job.kb.io/paused` forbids the write',
  conflict: 'another writer keeps reverting the repair, so the daemon delays it',
  'invalid-annotation': 'the annotation `terraform.job.kb.io/rotate` is neither `serving` nor `ca`',
  'clocks-differ': 'a phase of the rotation has a start time in the future of this replica',
  'policy-loaded': 'the changed policy file is in force',
  'client-ca-loaded': 'the changed file of `--client-ca-file` is in force',
  CONFIG_INVALID: 'an option or the kubeconfig is invalid',
  CERTIFICATE_ISSUE_FAILED: 'the daemon could not issue or present a certificate',
  CERTIFICATE_FILES_INVALID: 'a file of `--webhook-cert-path` is missing or invalid',
  POLICY_INVALID: 'the policy file is invalid',
  CLIENT_CA_INVALID: 'the file of `--client-ca-file` is invalid',
  SECRET_NOT_OURS: 'the Secret lacks the managed-by label, so the daemon does not write it',
  WRITES_PAUSED: 'a write of the Secret is paused or delayed',
  KUBE_FORBIDDEN: 'the API server refused the user of the daemon',
  KUBE_REJECTED: 'the API server refused the request as invalid',
  KUBE_CONFLICT: 'another writer wrote the object at the same time',
  KUBE_UNAVAILABLE: 'the API server did not answer, or not in time',
  REVIEW_MALFORMED: 'a request to the webhook was not an AdmissionReview v1',
  SERVER_LISTEN_FAILED: 'the daemon could not listen on a port',
};

export const exitCodeTexts: Readonly<Record<keyof typeof exitCodes, string>> = {
  done: 'The command has succeeded. `inspect` found no problem.',
  failed: 'The command has failed, or `inspect` found a problem.',
  usageError: 'The command, an option, or a value is invalid.',
  incomplete: '`inspect` found no problem, but it did not call the endpoint.',
  interrupted: 'SIGINT ended `rotate`, or a second SIGINT ended the daemon at once.',
  terminated: 'A second SIGTERM ended the daemon at once.',
};
