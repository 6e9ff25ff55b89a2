import fc from 'fast-check';
import type { Labels, Policy, Rule } from '../../../src/policy/policy.ts';
import { terraformPolicy } from '../../../src/policy/policy.ts';
import { executor, type Json } from './a-job.ts';
import { policiesByField } from './any-policy.ts';

/** The namespaces of the generated Jobs, with their labels. */
export const namespaces: Readonly<Record<string, Labels>> = {
  'team-a': { env: 'dev', team: 'a' },
  'team-b': { env: 'prod' },
  prod: { env: 'prod', constructor: 'x' },
  team: {},
  // Namespaces in which the test stores Jobs. The Jobs cannot be stored in the namespaces above: the test creates Jobs
  // there as a dry run, and the API server rejects the name of a stored Job even then.
  'team-a-2': { env: 'dev', team: 'a' },
  'team-b-2': { env: 'prod' },
  'prod-2': { env: 'prod', constructor: 'x' },
  'team-2': {},
};

/** Returns the namespace for stored Jobs that has the labels of the given namespace. */
export const twinOf = (namespace: string): string => `${namespace}-2`;

const terraform = { serviceAccountName: 'tf-executor-service-account', containerName: 'terraform-executor' } as const;
const never = (backoffLimit: number) => ({ backoffLimit, restartPolicy: 'Never' }) as const;
const keep = (backoffLimit: number) => ({ backoffLimit, restartPolicy: 'Keep' }) as const;

/** Returns a rule with values of the maximum length that matches almost no Job. */
const wide = (_value: unknown, nth: number): Rule => ({
  name: `wide-${nth}`,
  match: {
    namespaces: Array.from({ length: 20 }, (_, index) =>
      index % 2 ? `team-${nth}-${index}*x` : `other-${nth}-${index}`,
    ),
    jobName: `a*${nth}*b.c*`,
    labels: { app: 'x', [`example.com/${nth}`]: 'a.b_c' },
    serviceAccountName: terraform.serviceAccountName,
    containerName: terraform.containerName,
  },
  set: never(nth),
});

/** Policies by name. Each has a feature that the other policies do not have. */
export const policies: Readonly<Record<string, Policy>> = {
  default: terraformPolicy,
  'apply and destroy apart': {
    rules: [
      { name: 'destroy', match: { ...terraform, jobName: '*-destroy' }, set: keep(3) },
      { name: 'apply', match: { ...terraform, jobName: '*-apply' }, set: never(0) },
    ],
  },
  'several rules': {
    rules: [
      { name: 'default-account', match: { serviceAccountName: 'default', namespaces: ['team-*'] }, set: never(2) },
      { name: 'report', match: { containerName: 'report', jobName: '*-apply' }, set: keep(1) },
      { name: 'any-report', match: { containerName: 'report' }, set: never(4) },
      ...terraformPolicy.rules,
    ],
  },
  'patterns of names': {
    rules: [
      { name: 'exact', match: { jobName: 'a.b' }, set: never(1) },
      { name: 'middle', match: { jobName: 'n*.batch-*' }, set: never(2) },
      { name: 'start', match: { jobName: 'gen*' }, set: never(3) },
      { name: 'end', match: { jobName: '*-destroy' }, set: keep(0) },
      { name: 'any', match: { jobName: '**', containerName: 'report' }, set: never(5) },
      { name: 'stars', match: { jobName: '*u*k*t*', serviceAccountName: 'default' }, set: never(4) },
    ],
  },
  namespaces: {
    rules: [
      {
        name: 'some',
        match: { namespaces: ['team', 'prod', 'prod-2'], containerName: 'terraform-executor' },
        set: never(0),
      },
      { name: 'teams', match: { namespaces: ['t*m-*', 'other'] }, set: keep(2) },
    ],
  },
  'labels of Jobs': {
    rules: [
      { name: 'empty', match: { labels: { app: '' } }, set: never(1) },
      { name: 'strange', match: { labels: { constructor: 'x' } }, set: keep(0) },
      { name: 'both', match: { labels: { app: 'x', 'example.com/tier': 'a.b_c' } }, set: never(0) },
      { name: 'app', match: { labels: { app: 'x' }, ...terraform }, set: never(2) },
    ],
  },
  'as large as may be': { rules: [...Array.from({ length: 30 }, wide), ...terraformPolicy.rules] },
  'labels of namespaces': { namespaceSelector: { matchLabels: { env: 'prod' } }, ...terraformPolicy },
  'expressions on labels of namespaces': {
    namespaceSelector: {
      matchLabels: { team: 'a' },
      matchExpressions: [
        { key: 'env', operator: 'In', values: ['dev', 'prod'] },
        { key: 'env', operator: 'NotIn', values: ['prod'] },
        { key: 'team', operator: 'Exists' },
        { key: 'constructor', operator: 'DoesNotExist' },
      ],
    },
    rules: [{ name: 'all', match: { namespaces: ['*'] }, set: never(1) }],
  },
  'no such label on a namespace': {
    namespaceSelector: { matchExpressions: [{ key: 'env', operator: 'NotIn', values: ['prod', 'dev'] }] },
    rules: [{ name: 'all', match: { namespaces: ['*'] }, set: keep(2) }],
  },
  ...Object.fromEntries([...policiesByField].map(([name, policy]) => [`${name} alone`, policy])),
};

const text = (...values: readonly unknown[]) => fc.constantFrom<unknown>(...values);
const container = (name: string) => ({ name, image: 'busybox:1.37' });
const large = 'ä€😀<'.repeat(20_000);

/** Generates metadata that often matches the policies. `undefined` omits a field. */
const metadata = fc.record({
  name: fc.oneof(
    {
      weight: 14,
      arbitrary: text('oss-bucket-apply', 'oss-bucket-destroy', 'a.b', 'axb', 'night.batch-1', 'night-batch-1'),
    },
    { weight: 4, arbitrary: text('a-destroyed', 'gen', 'a0b.cd', 'destroy', 'x'.repeat(60), 'report') },
    {
      weight: 1,
      arbitrary: text(undefined, '', '-destroy', 'Oss-destroy', 'ünï-destroy', 'a\nb-destroy', "it's\\", '😀'),
    },
    { weight: 1, arbitrary: text('y'.repeat(5_000)) },
  ),
  generateName: text(undefined, undefined, 'gen-', 'night.batch-', 'x-destroy'),
  labels: text(
    ...[
      undefined,
      undefined,
      null,
      {},
      { app: 'x' },
      { app: '' },
      { constructor: 'x' },
      { constructor: 'y' },
      { App: 'x' },
    ],
    ...[{ app: 'x', 'example.com/tier': 'a.b_c' }, { 'example.com/tier': 'a.b_c' }, { app: 'x', note: 'ü' }],
  ),
  annotations: text(
    ...[undefined, undefined, undefined, null, {}, { note: large.slice(0, 999) }],
    ...['true', 'True', 'false', ''].map((value) => ({ 'terraform.job.kb.io/keep-retries': value })),
    ...['', '{"rule":"terraform"}', null].map((value) => ({ 'terraform.job.kb.io/capped': value })),
  ),
});
const restartPolicyRules = [{ action: 'Restart', exitCodes: { operator: 'In', values: [42] } }];
/** Returns lists of containers with their own restart rules. The API server refuses some of them. */
const withRestarts = (fields: object) => [
  ...['OnFailure', 'Always', 'Never', '', null].map((restartPolicy) => [{ ...executor, ...fields, restartPolicy }]),
  [
    { ...executor, ...fields },
    { ...container('second'), restartPolicy: 'OnFailure' },
  ],
  [{ ...executor, ...fields, restartPolicy: 'Never', restartPolicyRules }],
  [{ ...executor, ...fields, restartPolicyRules: [] }],
];
const podSpec = fc.record({
  serviceAccountName: fc.oneof(
    { weight: 8, arbitrary: text('tf-executor-service-account') },
    { weight: 5, arbitrary: text(undefined, null, '', 'default', 'default', 'tf-executor-service-accoun') },
    { weight: 1, arbitrary: text('TF', 'ü', 'x\\y') },
  ),
  restartPolicy: text('OnFailure', 'OnFailure', 'OnFailure', 'Never', 'Never', undefined, null, 'Always', 'never'),
  containers: fc.oneof(
    { weight: 12, arbitrary: text([executor], [container('proxy'), executor], [container('report')]) },
    {
      weight: 1,
      arbitrary: text([], null, [container('Terraform-executor')], [container('terraform-executors')], [container('')]),
    },
    { weight: 3, arbitrary: text(...[{}, { image: 'busybox:1.37' }].flatMap(withRestarts)) },
    {
      weight: 1,
      arbitrary: text(
        [container('first'), { ...executor, env: [{ name: 'LARGE', value: large }] }],
        Array.from({ length: 1_000 }, (_, index) => container(`c${index}`)),
      ),
    },
  ),
  initContainers: text(
    ...[undefined, undefined, undefined, undefined, null, [], [container('init')]],
    ...['Always', 'OnFailure', 'Never', null].map((restartPolicy) => [{ ...container('init'), restartPolicy }]),
    [{ ...container('init'), restartPolicy: 'Never', restartPolicyRules }],
  ),
});
const onPodConditions = [{ type: 'DisruptionTarget', status: 'True' }];
const spec = fc.record({
  backoffLimit: text(undefined, null, 0, 1, 2, 3, 4, 6, ...Array(6).fill(2_147_483_647), -1),
  suspend: text(undefined, true),
  podFailurePolicy: text(
    ...Array(12).fill(undefined),
    ...[null, {}, { rules: null }, { rules: [{ action: 'Count', onPodConditions }] }],
    ...['Ignore', 'FailJob'].map((action) => ({ rules: [{ action, onPodConditions }] })),
  ),
});

/** Fields that the policy leaves alone. */
const shape = text(
  ...[{}, {}, {}, {}, { parallelism: 2 }, { parallelism: 2, completions: 3 }, { managedBy: 'example.com/queue' }],
  { completionMode: 'Indexed', completions: 2, backoffLimitPerIndex: 1, maxFailedIndexes: 1 },
  { completionMode: 'Indexed', completions: 2, successPolicy: { rules: [{ succeededCount: 1 }] } },
  { podReplacementPolicy: 'Failed', ttlSecondsAfterFinished: 60, activeDeadlineSeconds: 600 },
) as fc.Arbitrary<object>;

const anyPolicyJob: fc.Arbitrary<Json> = fc
  .record({ namespace: fc.constantFrom('team-a', 'team-b', 'prod', 'team'), metadata, podSpec, spec, shape })
  .map(({ namespace, metadata, podSpec, spec, shape }) =>
    JSON.parse(
      JSON.stringify({
        apiVersion: 'batch/v1',
        kind: 'Job',
        metadata: { ...metadata, namespace },
        spec: { ...spec, ...shape, template: { spec: podSpec } },
      }),
    ),
  );

/** Returns generated Jobs. Each call returns the same Jobs. */
export const someJobs = (count: number): Json[] => fc.sample(anyPolicyJob, { numRuns: count, seed: 20261123 });
