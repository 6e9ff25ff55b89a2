import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type KubernetesObject, loadAllYaml, type V1MutatingWebhookConfiguration } from '@kubernetes/client-node';
import { readConfig } from '../../../../src/cli/config.ts';
import type { Observations } from '../../../../src/commands/check/observations.ts';
import { installedKinds, rolesOfNamespace } from '../../../../src/commands/check/pre-observations.ts';
import { preStepsOf } from '../../../../src/commands/check/pre-steps.ts';
import { checkText, createReport } from '../../../../src/commands/check/report.ts';
import { type Step, stepsOf } from '../../../../src/commands/check/steps.ts';
import type { Policy } from '../../../../src/policy/policy.ts';
import { installObjects, renderKustomization } from '../../../../tools/manifests/kustomize.ts';
import { aCertificateSet, ISSUED_AT } from '../../../support/builders/a-certificate-set.ts';
import { marked, plain } from '../../../support/builders/a-terminal.ts';
import { aRegistration } from '../../../support/builders/an-inspection.ts';

const { caBundle } = await aCertificateSet();
const config = readConfig({});
const capped = { backoffLimit: 0, restartPolicy: 'Never', isOptedOut: false, isMarked: true };
const uncapped = { backoffLimit: 2147483647, restartPolicy: 'OnFailure', isOptedOut: false, isMarked: false };

/** Observations of a healthy install, with the given parts replaced. */
const observations = (fields: Partial<Observations> = {}): Observations => ({
  config,
  policy: undefined,
  now: new Date(ISSUED_AT.getTime() + 86_400_000),
  server: { version: 'v1.37.2' },
  registration: aRegistration(caBundle),
  namespaceLabels: {},
  service: { externalName: undefined, ready: 1 },
  dryRun: { outcome: 'returned', job: capped },
  probe: undefined,
  ...fields,
});

/** Returns the registration with fields of the daemon's webhook replaced. */
function registrationWith(fields: object): V1MutatingWebhookConfiguration {
  const { webhooks, ...rest } = aRegistration(caBundle);
  return { ...rest, webhooks: [{ ...webhooks[0], ...fields }] };
}

const named = (name: string, fields: Partial<Observations>) =>
  stepsOf(observations(fields)).find((step) => step.name === name);
const returned = (job: typeof uncapped) => ({ dryRun: { outcome: 'returned', job } }) as const;

describe('the steps of check', () => {
  test('each step of a healthy install passes', () => {
    assert.deepEqual(
      stepsOf(observations()).map(({ name, result }) => [name, result]),
      ['api-server', 'registration', 'namespace', 'trust', 'endpoints', 'dry-run'].map((name) => [name, 'passed']),
    );
  });

  test('a Job that came back capped without a mark passes, and the message says what that means', () => {
    const { result, message } = named('dry-run', returned({ ...capped, isMarked: false })) ?? assert.fail();
    assert.equal(result, 'passed');
    assert.match(message, /Never, without the annotation terraform\.job\.kb\.io\/capped: another policy or version/);
  });

  const failures: Readonly<Record<string, readonly [step: string, Partial<Observations>, message: RegExp]>> = {
    'a webhook of another writer only': [
      'registration',
      { registration: registrationWith({ name: 'a.b.c' }) },
      /no webhook/,
    ],
    'a CA bundle that has expired': ['trust', { now: new Date('2100-01-01') }, /each CA of the bundle has expired/],
    'a Job selector': [
      'namespace',
      { registration: registrationWith({ objectSelector: { matchLabels: { a: 'b' } } }) },
      /^the objectSelector of the webhook excludes/,
    ],
    'a missing Service': ['endpoints', { service: 'absent' }, /does not exist$/],
    'an opt-out by another webhook': ['dry-run', returned({ ...uncapped, isOptedOut: true }), /opts the Job out/],
    'another limit than the built-in policy sets': [
      'dry-run',
      returned({ ...capped, backoffLimit: 3 }),
      /the daemon has a policy of its own: set --policy-file/,
    ],
    'an endpoint that answers, and an unchanged Job': [
      'dry-run',
      { ...returned(uncapped), probe: { from: 'the API server', why: undefined } },
      /the API server reaches the endpoint, but the API server applied no patch/,
    ],
  };
  for (const [what, [step, fields, message]] of Object.entries(failures)) {
    test(`with ${what}, the step ${step} fails and names the cause`, () => {
      const found = named(step, fields);
      assert.equal(found?.result, 'failed');
      assert.match(found?.message ?? '', message);
    });
  }

  test('a Job is compared with the limit of the policy file', () => {
    const policy: Policy = {
      rules: [
        {
          name: 'three',
          match: { containerName: 'terraform-executor' },
          set: { backoffLimit: 3, restartPolicy: 'Never' },
        },
      ],
    };
    assert.equal(named('dry-run', { policy, ...returned({ ...capped, backoffLimit: 3 }) })?.result, 'passed');
    assert.match(named('registration', { policy })?.message ?? '', /another policy/);
  });

  test('if a user may not read the registration, no step reports that it has no Service, no CA bundle and no selector', () => {
    for (const name of ['namespace', 'trust', 'endpoints']) {
      const { result, message } = named(name, { registration: 'refused', service: undefined }) ?? assert.fail();
      assert.equal(result, 'skipped');
      assert.match(message, /: it is in the MutatingWebhookConfiguration, which the current user may not read$/);
    }
  });

  test('a dry run that fails in a missing namespace proposes no log of a daemon', () => {
    const dryRun = { outcome: 'failed', why: 'namespaces "team-a" not found' } as const;
    assert.match(named('dry-run', { dryRun })?.command ?? '', / logs /);
    assert.equal(named('dry-run', { dryRun, namespaceLabels: 'absent' })?.command, undefined);
  });

  test('a dry run that the user may not send is skipped with how to ask for the right, and in a Pod with whose right it is', () => {
    const dryRun = { outcome: 'forbidden', why: 'jobs.batch is forbidden' } as const;
    const outside = named('dry-run', { dryRun: { ...dryRun, isInPod: false } });
    assert.equal(outside?.command, 'kubectl auth can-i create jobs -n vela-system');
    const { result, message, command } = named('dry-run', { dryRun: { ...dryRun, isInPod: true } }) ?? assert.fail();
    assert.deepEqual([result, command], ['skipped', undefined]);
    assert.match(
      message,
      /^jobs\.batch is forbidden\. .* the account of the daemon must not create Jobs: run check outside/,
    );
  });

  test('a policy file without a rule for the Job skips the dry run, so the verdict is incomplete', () => {
    const policy: Policy = {
      rules: [{ name: 'none', match: { jobName: 'x' }, set: { backoffLimit: 0, restartPolicy: 'Never' } }],
    };
    const step = named('dry-run', { policy });
    assert.equal(step?.result, 'skipped');
    assert.equal(createReport([step], new Date()).verdict, 'incomplete');
  });
});

describe('the steps of check --pre', () => {
  test('an API server older than 1.30 fails the step api-server', () => {
    const cluster = { config, namespaces: [], missing: [], networkPolicies: [] };
    const result = (version: string) => preStepsOf({ ...cluster, server: { version } })[0]?.result;
    assert.deepEqual(['v1.29.15', 'v1.30.0', 'v1.37.2-gke.1'].map(result), ['failed', 'passed', 'passed']);
  });

  test('the verdict of check --pre claims no dry run', () => {
    const cluster = { config, server: { version: 'v1.37.2' }, namespaces: [], missing: [], networkPolicies: [] };
    const verdictOf = (steps: readonly Step[]) => checkText(createReport(steps, new Date()), plain).split('\n').at(-2);
    assert.equal(verdictOf(preStepsOf(cluster)), 'verdict: passed: no check failed; --pre sends no dry run');
    assert.match(verdictOf(stepsOf(observations())) ?? '', /^verdict: passed: .*the dry run came back capped$/);
  });

  test('the step network counts a NetworkPolicy only if it selects the Pods', () => {
    const message = (spec: object) => {
      const networkPolicies = [{ metadata: { name: 'one' }, spec: spec as never }];
      const cluster = { config, server: { version: 'v1.37.2' }, namespaces: [], missing: [], networkPolicies };
      return preStepsOf(cluster)[1]?.message ?? '';
    };
    const selects = { podSelector: { matchLabels: { app: 'terraform-daemon' } } };
    assert.match(message({ podSelector: { matchLabels: { app: 'other' } } }), /^no NetworkPolicy selects the Pods/);
    assert.match(message({ ...selects, policyTypes: ['Egress'] }), /^no NetworkPolicy selects the Pods/);
    assert.match(message({ ...selects, ingress: [{ ports: [{ port: 8090 }] }] }), /^NetworkPolicy one opens port 8090/);
    assert.match(
      message({ ...selects, ingress: [{ ports: [{ port: 80 }] }] }),
      /^NetworkPolicy one does not open port/,
    );
    assert.match(message({ ...selects, ingress: [{ from: [{ podSelector: {} }] }] }), /does not open port 8090 to all/);
  });
});

test('check --pre asks for the right to create each kind of object of manifests/install.yaml, and in each listed namespace of manifests/backstop-namespace', async () => {
  const nameOf = (kind: string) => `${kind.toLowerCase()}s`.replace(/ys$/, 'ies');
  const kindsOf = (objects: readonly KubernetesObject[]) =>
    objects.map(({ apiVersion = '', kind = '' }) => {
      const [group = ''] = apiVersion.includes('/') ? apiVersion.split('/') : [];
      return `${group}/${nameOf(kind)}`;
    });
  const inNamespace = loadAllYaml(await renderKustomization({ resources: ['backstop-namespace'] }));
  for (const [asked, objects] of [
    [installedKinds, await installObjects()],
    [rolesOfNamespace, inNamespace],
  ] as const) {
    const wanted = [...new Set(kindsOf(objects))].toSorted();
    assert.deepEqual(asked.map(({ group, resource }) => `${group}/${resource}`).toSorted(), wanted);
  }
});

test('the report colours marks, verdict and commands, and does not exceed 100 columns', () => {
  const report = createReport(stepsOf(observations(returned(uncapped))), new Date());
  const text = checkText(report, marked);
  assert.match(text, /^<good>✓<\/> api-server {3}answers/);
  assert.match(text, /\n<bad>✗<\/> dry-run/);
  assert.match(text, /\nverdict: <bad>failed<\/>: /);
  for (const line of checkText(report, plain).split('\n')) {
    assert.ok(line.length <= 100 || / {15}/.test(line), line);
  }
});
