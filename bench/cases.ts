import type { Json } from '../test/support/builders/a-job.ts';
import { recorded, recordedReviews } from '../test/support/builders/fixtures.ts';

/** A review on which all webhooks of the benchmark must agree. */
export interface Case {
  readonly name: string;
  readonly review: Json;
}

const OPT_OUT = 'terraform.job.kb.io/keep-retries';
const MARK = 'terraform.job.kb.io/capped';
const rules = [{ action: 'Restart', exitCodes: { operator: 'In', values: [42] } }];
const failurePolicy = (action: string) => ({
  rules: [{ action, onPodConditions: [{ type: 'DisruptionTarget', status: 'True' }] }],
});
const manyAnnotations = (count: number) =>
  Object.fromEntries(Array.from({ length: count }, (_, nth) => [`example.com/a${nth}`, 'x']));

type Change = (request: Json) => void;
type Changes = Readonly<Record<string, Change>>;

const annotations =
  (values: object): Change =>
  ({ object }) =>
    Object.assign(object.metadata, { annotations: values });
const spec =
  (fields: object): Change =>
  ({ object }) =>
    Object.assign(object.spec, fields);
const podSpec =
  (fields: object): Change =>
  ({ object }) =>
    Object.assign(object.spec.template.spec, fields);
const container =
  (fields: object): Change =>
  ({ object }) =>
    Object.assign(object.spec.template.spec.containers[0], fields);
const initContainer =
  (fields: object): Change =>
  ({ object }) =>
    Object.assign(object.spec.template.spec.initContainers[0], fields);
const stored =
  (fields: object): Change =>
  ({ oldObject }) =>
    Object.assign(oldObject, fields);
const all =
  (...changes: readonly Change[]): Change =>
  (request) => {
    for (const change of changes) change(request);
  };

/** Changes of a recorded CREATE, each as an API server could send it. */
const creates: Changes = {
  'a limit of 0': spec({ backoffLimit: 0 }),
  'a limit of 1': spec({ backoffLimit: 1 }),
  'a negative limit': spec({ backoffLimit: -1 }),
  'no limit': spec({ backoffLimit: undefined }),
  'restartPolicy Never': podSpec({ restartPolicy: 'Never' }),
  'nothing to change': all(spec({ backoffLimit: 0 }), podSpec({ restartPolicy: 'Never' })),
  'opted out': annotations({ [OPT_OUT]: 'true' }),
  'an opt-out that is not true': annotations({ [OPT_OUT]: 'True' }),
  'other annotations': annotations({ ticket: '"<&>\\" ünïcode 😀' }),
  'a mark': annotations({ [MARK]: '{"rule":"terraform"}' }),
  'an empty mark': annotations({ [MARK]: '' }),
  'no room for a mark: too many annotations': annotations(manyAnnotations(1_001)),
  'no room for a mark: too many bytes': annotations({ note: 'ä'.repeat(131_000) }),
  'a deletionTimestamp from the client': ({ object }) =>
    Object.assign(object.metadata, { deletionTimestamp: '2026-11-23T09:35:34Z' }),
  'another service account': podSpec({ serviceAccountName: 'default' }),
  'another container': container({ name: 'other' }),
  'the executor as the second container': ({ object }) => {
    const { containers } = object.spec.template.spec;
    containers.unshift({ ...containers[0], name: 'proxy' });
  },
  'a container with restartPolicy OnFailure': container({ restartPolicy: 'OnFailure' }),
  'a container with restartPolicy Never': container({ restartPolicy: 'Never' }),
  'a container with restart rules': container({ restartPolicy: 'Never', restartPolicyRules: rules }),
  'a sidecar': initContainer({ restartPolicy: 'Always' }),
  'an init container with restartPolicy OnFailure': initContainer({ restartPolicy: 'OnFailure' }),
  'an init container with restart rules': initContainer({ restartPolicy: 'Never', restartPolicyRules: rules }),
  'a podFailurePolicy that ignores failures': spec({ podFailurePolicy: failurePolicy('Ignore') }),
  'a podFailurePolicy that counts failures': spec({ podFailurePolicy: failurePolicy('Count') }),
  'another controller': spec({ managedBy: 'example.com/queue' }),
  'the Job controller': spec({ managedBy: 'kubernetes.io/job-controller' }),
  'two Pods at once': spec({ parallelism: 2, completions: 2 }),
  'two Pods one after the other': spec({ completions: 2 }),
  'a limit of 0 and a podFailurePolicy': all(
    spec({ backoffLimit: 0, podFailurePolicy: failurePolicy('Ignore') }),
    podSpec({ restartPolicy: 'Never' }),
  ),
  'a dry run': (request) => Object.assign(request, { dryRun: true }),
  'a name of 300 characters': (request) => Object.assign(request, { name: 'n'.repeat(300) }),
  'a name with special characters': (request) => Object.assign(request, { name: '"<&>\\ ünïcode 😀' }),
};

const finished = { status: { failed: 1, conditions: [{ type: 'Failed', status: 'True' }] } };
const notRunning = stored({ status: {} });
const keptNever = ({ oldObject }: Json): void =>
  Object.assign(oldObject.spec.template.spec, { restartPolicy: 'Never' });
const beingDeleted = ({ oldObject }: Json): void =>
  Object.assign(oldObject.metadata, { deletionTimestamp: '2026-11-23T09:35:34Z', deletionGracePeriodSeconds: 0 });

/** Changes of a recorded UPDATE of a Job that has a Pod. */
const updates: Changes = {
  'a stored Job without a Pod': notRunning,
  'a stored Job that has finished': stored(finished),
  'a stored Job that is being deleted': all(notRunning, beingDeleted),
  'a stored Job that is being deleted and runs once': all(notRunning, beingDeleted, keptNever),
  'a stored Job with a Pod and a lower limit': ({ oldObject }) => Object.assign(oldObject.spec, { backoffLimit: 3 }),
  'a stored Job that runs once': all(notRunning, keptNever),
  'a stored Job that runs once, and nothing else to change': all(notRunning, keptNever, spec({ backoffLimit: 0 })),
  'a stored Job that runs once, opted out now': all(notRunning, keptNever, annotations({ [OPT_OUT]: 'true' })),
  'an opted out Job': annotations({ [OPT_OUT]: 'true' }),
  'a limit of 0': spec({ backoffLimit: 0 }),
  'the status of a Job': (request) => Object.assign(request, { subResource: 'status' }),
  'a deletion': (request) => Object.assign(request, { operation: 'DELETE', object: null }),
  'another version': (request) => Object.assign(request.resource, { version: 'v2' }),
  'another resource': (request) => Object.assign(request.resource, { group: '', resource: 'pods' }),
};

/** Returns the recorded reviews and the changed ones. Each has its own uid, by which its log line is found. */
export function cases(): readonly Case[] {
  const made = (what: string, name: string, changes: Changes): Case[] =>
    Object.entries(changes).map(([change, apply]) => {
      const review = structuredClone(recorded(name).review);
      apply(review.request);
      return { name: `${what}: ${change}`, review };
    });
  const list = [
    ...recordedReviews.map(({ name, review }) => ({ name: `recorded ${name}`, review })),
    ...made('CREATE', 'create-terraform-apply', creates),
    ...made('UPDATE', 'update-terraform-apply-annotate', updates),
  ];
  return list.map(({ name, review }, nth) => {
    const copy = structuredClone(review);
    copy.request.uid = `00000000-0000-4000-8000-${String(nth).padStart(12, '0')}`;
    return { name, review: copy };
  });
}
