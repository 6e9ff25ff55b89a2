import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { loadAllYaml } from '@kubernetes/client-node';
import { ADMISSION_POLICY_NAME } from '../../src/policy/admission-policy.ts';
import { matchConditions } from '../../src/policy/cel.ts';
import { decide } from '../../src/policy/decide.ts';
import { DEFAULT_BACKOFF_LIMIT, LARGEST_BACKOFF_LIMIT } from '../../src/policy/job.ts';
import { isSelected, requirementsOf } from '../../src/policy/namespace-selector.ts';
import { MARK_ANNOTATION, OPT_OUT_ANNOTATION, type Policy } from '../../src/policy/policy.ts';
import { ownWebhook } from '../../src/registration/desired.ts';
import { patchOf } from '../../src/webhook/patch.ts';
import { readReview } from '../../src/webhook/review.ts';
import { minorOf } from '../../tools/control-plane/go-module.ts';
import { kubernetesVersion, servedPolicyVersion } from '../../tools/control-plane/kubernetes-version.ts';
import { aTerraformJob, type Json } from '../support/builders/a-job.ts';
import { aReview } from '../support/builders/a-review.ts';
import { applyAdds } from '../support/builders/apply-adds.ts';
import { namespaces, policies, someJobs, twinOf } from '../support/builders/policy-jobs.ts';
import { type Cluster, REGISTRATION, startCluster } from '../support/cluster/cluster.ts';
import { BUNDLE, type Daemon, startDaemon } from '../support/cluster/daemon.ts';
import { type ApiReply, type RawApi, rawApi } from '../support/cluster/raw-api.ts';
import { eventually } from '../support/eventually.ts';

/** New Jobs for each policy, and the least that must be compared over all policies. */
const JOBS = 270;
/** Stored Jobs whose updates are tried with each policy, besides one that has failed, one being deleted and one that runs. */
const STORED = 14;
const LEAST = { POST: 4_000, PATCH: 2_000 };
const AT_ONCE = 8;
const PATCHED = ['admission request patched', 'restartPolicy put back in the request'];

/** Name of a Job that only one policy caps, so that the test can detect when the API server uses that policy. */
const sentinelName = (nth: number) => `sentinel-${nth}`;
const withSentinel = ({ rules, ...others }: Policy, nth: number): Policy => ({
  ...others,
  rules: [
    {
      name: 'sentinel',
      match: { jobName: sentinelName(nth), containerName: 'sentinel' },
      set: { backoffLimit: 0, restartPolicy: 'Keep' },
    },
    ...rules,
  ],
});

const tried = Object.entries(policies).map(([name, policy], nth) => ({ name, nth, policy: withSentinel(policy, nth) }));

const appliesIn = (namespace: string, { namespaceSelector = {} }: Policy) =>
  isSelected(namespaceSelector, namespaces[namespace] ?? {});

/** A write of a Job that is sent as a dry run. */
interface Trial {
  /** The number of the policy with which it is tried; `undefined` for all policies. */
  readonly nth: number | undefined;
  readonly method: 'POST' | 'PATCH';
  readonly path: string;
  readonly body: Json;
  /** The admission request. */
  readonly request: Json;
  /** The Job as the API server would store it without a webhook. */
  readonly job: Json;
}

const jobsPath = (namespace: string, name = '') => `/apis/batch/v1/namespaces/${namespace}/jobs${name && `/${name}`}`;

function creation(job: Json, index: number): Trial {
  const { namespace } = job.metadata;
  const { backoffLimitPerIndex, backoffLimit } = job.spec;
  // The default of the API server, which the mark shows as the value before.
  const defaulted =
    backoffLimit ?? (backoffLimitPerIndex === undefined ? DEFAULT_BACKOFF_LIMIT : LARGEST_BACKOFF_LIMIT);
  const object = { ...job, spec: { ...job.spec, backoffLimit: defaulted } };
  const request = { namespace, object };
  return { nth: Math.floor(index / JOBS), method: 'POST', path: jobsPath(namespace), body: job, request, job };
}

/** Returns the result of a merge patch (RFC 7386) without null. */
function merged(target: Json, patch: Json): Json {
  if (typeof patch !== 'object' || Array.isArray(patch)) return patch;
  const fields = Object.entries(patch).map(([name, value]) => [name, merged(target?.[name], value)]);
  return { ...target, ...Object.fromEntries(fields) };
}

/** Returns many short annotations, with the fields in front. */
const many = (count: number, fields: Json = {}): Json => ({
  ...fields,
  ...Object.fromEntries(Array.from({ length: count }, (_, nth) => [`a${nth.toString(36)}`, ''])),
});
/**
 * Annotations up to the size and the number from which a Job gets no mark, and up to the largest that the API server
 * permits.
 */
const LARGEST = 256 * 1024;
const annotated = [
  ...[LARGEST - 256, LARGEST - 255, LARGEST, LARGEST + 1].map((bytes) => ({ note: 'x'.repeat(bytes - 4) })),
  ...[LARGEST - 256, LARGEST - 254].map((bytes) => ({ ä: 'ä'.repeat((bytes - 2) / 2) })),
  ...['', 'x', null].map((value) => ({ [MARK_ANNOTATION]: value })),
  ...[1_000, 1_001, 50_000].map((count) => many(count)),
  ...[999, 1_000].map((count) => many(count, { [MARK_ANNOTATION]: '' })),
];
/** Returns a Job of the first tried policy, the built-in one. */
function aJobWith(annotations: Json): Json {
  const job = aTerraformJob();
  return { ...job, metadata: { ...job.metadata, annotations } };
}

function update(stored: Json, change: Json): Trial {
  const { namespace, name } = stored.metadata;
  const job = merged(stored, change);
  const request = { operation: 'UPDATE', namespace, object: job, oldObject: stored };
  return { nth: undefined, method: 'PATCH', path: jobsPath(namespace, name), body: change, request, job };
}

/**
 * Returns the body of the write with the changes of decide(). The baseline has no webhook and no admission policy, so
 * the test itself applies these changes.
 */
function decided({ method, body, request, job }: Trial, policy: Policy): Json {
  if (!appliesIn(job.metadata.namespace, policy)) return body;
  const decision = decide(readReview(aReview(request)), policy);
  assert.notEqual(decision.action, 'refuse');
  if (!('changes' in decision)) return body;
  if (method === 'POST') return applyAdds(structuredClone(body), patchOf(decision, request.object));
  const to = Object.fromEntries(decision.changes.map((change) => [change.field, change.to]));
  const limit = 'backoffLimit' in to ? { backoffLimit: to.backoffLimit } : {};
  const template = 'restartPolicy' in to ? { template: { spec: { restartPolicy: to.restartPolicy } } } : {};
  const mark = decision.mark === undefined ? {} : { metadata: { annotations: { [MARK_ANNOTATION]: decision.mark } } };
  return merged(body, { ...mark, spec: { ...limit, ...template } });
}

/** Returns the Job without generated fields, or the refusal. */
function outcome({ status, body }: ApiReply): string {
  if (status >= 300) return `HTTP ${status} ${body.reason}`;
  const { metadata, spec } = body;
  const { name, uid, labels = null, annotations = null } = metadata;
  const json = JSON.stringify({ labels, annotations, spec }).replaceAll(uid, 'UID');
  return body.metadata.generateName && !body.metadata.name.startsWith('oss') ? json.replaceAll(name, 'NAME') : json;
}

/** Returns the fields of an outcome that a policy can change. */
function shown(text: string): string {
  if (!text.startsWith('{')) return text;
  const { spec, annotations } = JSON.parse(text);
  return JSON.stringify([spec.backoffLimit, spec.template.spec.restartPolicy, annotations?.[MARK_ANNOTATION]]);
}

describe('the three forms of a policy: function, webhook and MutatingAdmissionPolicy', async () => {
  const version = await kubernetesVersion();
  const served = servedPolicyVersion(version);
  const skip =
    served === undefined && `Kubernetes ${minorOf(version)} does not serve MutatingAdmissionPolicy as v1beta1 or v1`;
  let cluster: Cluster;
  let api: RawApi;
  let folder: string;
  let daemon: Daemon | undefined;
  const trials: Trial[] = [];
  /** The stored Jobs or refusals of all trials: for each tested policy, and for each of its three forms. */
  const results = new Map<string, Map<'function' | 'webhook' | 'admission policy', string[]>>();

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'terraform-daemon-policy-'));
    cluster = await startCluster();
    api = await rawApi(cluster.kubeconfig);
    for (const [name, labels] of Object.entries(namespaces)) {
      await cluster.core.createNamespace({ body: { metadata: { name, labels } } });
    }
  });
  after(async () => {
    await daemon?.stop();
    api?.close();
    await cluster?.stop();
    await rm(folder, { recursive: true });
  });

  const dryRun = ({ method, path }: Pick<Trial, 'method' | 'path'>, body: Json) =>
    api.call(method, `${path}?dryRun=All`, body);

  /** The trials with a policy, or all trials, by index. */
  const trialsWith = (nth?: number) =>
    [...trials.entries()].filter(([, trial]) => nth === undefined || (trial.nth ?? nth) === nth);

  async function outcomes(bodyOf: (trial: Trial) => Json, nth?: number): Promise<string[]> {
    const found: string[] = [];
    const queue = trialsWith(nth);
    const work = async () => {
      for (let next = queue.pop(); next; next = queue.pop()) {
        const [index, trial] = next;
        found[index] = outcome(await dryRun(trial, bodyOf(trial)));
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, work));
    return found;
  }

  const keep = (policy: string, form: 'function' | 'webhook' | 'admission policy', found: string[]) => {
    const forms = results.get(policy) ?? new Map();
    results.set(policy, forms.set(form, found));
  };

  /** Resolves when the API server uses the policy with this number. */
  const untilInForce = ({ nth, policy }: Pick<(typeof tried)[number], 'nth' | 'policy'>) =>
    eventually(
      async () => {
        const namespace = Object.keys(namespaces).find((name) => appliesIn(name, policy)) ?? assert.fail();
        const spec = {
          backoffLimit: 1,
          template: { spec: { restartPolicy: 'Never', containers: [{ name: 'sentinel', image: 'x' }] } },
        };
        const job = { apiVersion: 'batch/v1', kind: 'Job', metadata: { name: sentinelName(nth) }, spec };
        const { body } = await dryRun({ method: 'POST', path: jobsPath(namespace) }, job);
        assert.equal(body.spec?.backoffLimit, 0, JSON.stringify(body));
      },
      { withinMs: 60_000 },
    );

  const policyFile = () => join(folder, 'policy.yaml');
  /**
   * The file is renamed into place, as the kubelet swaps a ConfigMap, so that the daemon never reads a partial file.
   */
  const put = async (text: string) => {
    await writeFile(`${policyFile()}.new`, text);
    await rename(`${policyFile()}.new`, policyFile());
  };
  const startWith = async (policy: Policy, ...flags: string[]) => {
    await put(JSON.stringify(policy));
    daemon = await startDaemon({
      kubeconfig: cluster.daemonKubeconfig,
      // The test sends updates of stored Jobs. With `--heal=off` the backstop does not cap these Jobs first.
      flags: [`--policy-file=${policyFile()}`, '--heal=off', ...flags],
    });
    await daemon.line('ready');
    return daemon;
  };

  it('setup: the test stores Jobs and collects writes of Jobs, to compare decide(), the webhook and the MutatingAdmissionPolicy', async () => {
    const jobs = someJobs(JOBS * tried.length);
    trials.push(...jobs.map(creation), ...annotated.map((annotations) => creation(aJobWith(annotations), 0)));
    const stored = new Map<string, Json>();
    for (const job of jobs) {
      const namespace = twinOf(job.metadata.namespace);
      const key = `${job.metadata.namespace}/${job.metadata.name}`;
      if (!job.metadata.name || stored.has(key) || JSON.stringify(job).length > 10_000) continue;
      const { status, body } = await api.call('POST', jobsPath(namespace), {
        ...job,
        metadata: { ...job.metadata, namespace },
      });
      if (status === 201) stored.set(key, body);
    }
    const isNever = ({ spec }: Json) => spec.template.spec.restartPolicy === 'Never';
    const [over, dying, running, ...others] = [...stored.values()].sort(
      (one, two) => Number(isNever(two)) - Number(isNever(one)),
    );
    const startTime = new Date().toISOString();
    const ended = {
      startTime,
      conditions: ['FailureTarget', 'Failed'].map((type) => ({ type, status: 'True', lastTransitionTime: startTime })),
    };
    const failed = await api.call('PATCH', `${jobsPath(over.metadata.namespace, over.metadata.name)}/status`, {
      status: ended,
    });
    assert.equal(failed.status, 200, JSON.stringify(failed.body));
    const limited = await api.call('PATCH', jobsPath(running.metadata.namespace, running.metadata.name), {
      spec: { backoffLimit: 5 },
    });
    assert.equal(limited.body.spec?.backoffLimit, 5);
    const inRun = await api.call('PATCH', `${jobsPath(running.metadata.namespace, running.metadata.name)}/status`, {
      status: { startTime, active: 1 },
    });
    assert.equal(inRun.body.status?.active, 1, JSON.stringify(inRun.body));
    const path = jobsPath(dying.metadata.namespace, dying.metadata.name);
    await api.call('PATCH', path, { metadata: { finalizers: ['example.com/wait'] } });
    await api.call('DELETE', path, { propagationPolicy: 'Background' });
    const deleted = await api.call('GET', path);
    assert.ok(deleted.body.metadata.deletionTimestamp);
    const template = { spec: { restartPolicy: 'OnFailure' } };
    const optOut = { annotations: { [OPT_OUT_ANNOTATION]: 'true' } };
    for (const job of [failed.body, deleted.body, inRun.body, ...others.slice(0, STORED)]) {
      trials.push(
        update(job, { spec: { template } }),
        update(job, { spec: { backoffLimit: 6, template } }),
        update(job, { metadata: optOut, spec: { backoffLimit: 6, template } }),
        update(job, { metadata: { labels: { app: 'x' } }, spec: { backoffLimit: 0, template } }),
        update(job, { spec: { template: { spec: { restartPolicy: 'Always' } } } }),
        update(job, { metadata: { annotations: { touched: 'true' } } }),
        update(job, { metadata: { annotations: { [MARK_ANNOTATION]: 'first' } }, spec: { backoffLimit: 6, template } }),
        update(job, { metadata: { annotations: { [MARK_ANNOTATION]: '' } } }),
        update(job, { spec: { backoffLimit: 5 } }),
        update(job, { spec: { backoffLimit: 0 } }),
        update(job, { metadata: optOut, spec: { backoffLimit: 7 } }),
        update(job, { metadata: { labels: { app: 'x' } } }),
      );
    }
  });

  it('setup: the responses of the API server are recorded for Jobs that decide() patches before the request', async () => {
    keep('none', 'function', await outcomes(({ body }) => body));
    for (const { name, nth, policy } of tried)
      keep(name, 'function', await outcomes((trial) => decided(trial, policy), nth));
  });

  it('for each tested policy file, the API server calls the webhook only for Jobs that the webhook patches', async (t) => {
    const [first] = tried;
    assert.ok(first);
    // With failurePolicy Fail a match condition that fails to evaluate refuses the Job, so that the test notices it.
    // The timeout is the longest that Kubernetes permits, because a late response would refuse the Job too.
    const running = await startWith(first.policy, '--failure-policy=Fail', '--timeout-seconds=30');
    // A platform can add requirements to the namespaceSelector of a webhook. This requirement matches all namespaces of
    // the test, because none has the label `control-plane`.
    const ofPlatform = { key: 'control-plane', operator: 'DoesNotExist' };
    const addition = { op: 'add', path: '/webhooks/0/namespaceSelector/matchExpressions', value: [ofPlatform] };
    await cluster.admission.patchMutatingWebhookConfiguration({ name: REGISTRATION, body: [addition] });
    for (const { name, nth, policy } of tried) {
      await put(JSON.stringify(policy));
      await untilInForce({ nth, policy });
      const live = ownWebhook(await cluster.registration())?.namespaceSelector;
      const own = requirementsOf(policy.namespaceSelector ?? {});
      assert.deepEqual(JSON.parse(JSON.stringify(live)), { matchExpressions: [ofPlatform, ...own] });
      const before = running.lines.length;
      keep(name, 'webhook', await outcomes(({ body }) => body, nth));
      // A line about a sentinel can arrive after the API server has stored it.
      const lines = running.lines
        .slice(before)
        .filter(({ uid, name }) => uid !== undefined && name !== sentinelName(nth));
      const needless = lines.filter(({ message }) => !PATCHED.includes(message));
      t.diagnostic(
        `${name}: ${lines.length} of ${trialsWith(nth).length} reached the endpoint, ${needless.length} of them needlessly`,
      );
      assert.deepEqual(needless, []);
    }
    assert.equal(
      ownWebhook(await cluster.registration())?.matchConditions?.length,
      matchConditions(first.policy).length,
    );
  });

  it('the daemon keeps the last valid policy while the file is invalid, and logs it', async () => {
    assert.ok(daemon);
    const last = tried.at(-1) ?? assert.fail();
    await put('{"rules": [{"name": "x"}]}');
    const { problems } = await daemon.line('policy file invalid, keeping the last valid policy');
    assert.equal((problems as string[]).length, 2);
    await untilInForce(last);
    assert.match((await daemon.probe('/metrics')).text, /^terraform_daemon_policy_valid 0$/m);
    await eventually(async () => {
      const { items } = await cluster.core.listNamespacedEvent({ namespace: 'vela-system' });
      assert.ok(items.some(({ reason }) => reason === 'PolicyInvalid'));
    });
    const another = { nth: 99, policy: withSentinel({ rules: [] }, 99) };
    await put(JSON.stringify(another.policy));
    await untilInForce(another);
    assert.match((await daemon.probe('/metrics')).text, /^terraform_daemon_policy_valid 1$/m);
    await daemon.stop();
    daemon = undefined;
    await cluster.admission.deleteMutatingWebhookConfiguration({ name: REGISTRATION });
  });

  /** Creates or replaces an object of the API group admissionregistration.k8s.io. */
  async function write(object: Json): Promise<void> {
    const isPolicy = object.kind === 'MutatingAdmissionPolicy';
    const plural = isPolicy ? 'mutatingadmissionpolicies' : 'mutatingadmissionpolicybindings';
    const path = `/apis/${object.apiVersion}/${plural}`;
    const live = await api.call('GET', `${path}/${ADMISSION_POLICY_NAME}`);
    object.metadata.resourceVersion = live.body.metadata?.resourceVersion;
    const { status, body } =
      live.status === 404
        ? await api.call('POST', path, object)
        : await api.call('PUT', `${path}/${ADMISSION_POLICY_NAME}`, object);
    assert.ok(status < 300, JSON.stringify(body));
  }

  it('for each tested policy file, the API server applies the MutatingAdmissionPolicy that the command policy prints', {
    skip,
  }, async () => {
    for (const { name, nth, policy } of tried) {
      await put(JSON.stringify(policy));
      const args = [BUNDLE, 'policy', '--policy-file', policyFile(), `--api-version=${served}`];
      const { stdout } = await promisify(execFile)(process.execPath, args);
      for (const object of loadAllYaml(stdout) as Json[]) await write(object);
      await untilInForce({ nth, policy });
      keep(name, 'admission policy', await outcomes(({ body }) => body, nth));
    }
  });

  it('for each tested policy and write, decide(), the webhook and the MutatingAdmissionPolicy lead to the same stored Job', (t) => {
    const rows: string[] = [];
    const disagreements: string[] = [];
    const compared = { POST: 0, PATCH: 0 };
    for (const { name, nth } of tried) {
      const forms = results.get(name);
      const [wanted = [], webhook = [], admission = []] = [
        forms?.get('function'),
        forms?.get('webhook'),
        served === undefined ? forms?.get('webhook') : forms?.get('admission policy'),
      ];
      const differing = trialsWith(nth).flatMap(([index, trial]) => {
        compared[trial.method] += 1;
        const [one = '', two = '', three = ''] = [wanted[index], webhook[index], admission[index]];
        if (one !== '' && one === two && one === three) return [];
        return [
          `${name}: ${trial.method} ${trial.path} ${JSON.stringify(trial.body).slice(0, 600)}: ${[one, two, three].map(shown).join(', ')}`,
        ];
      });
      const refused = wanted.filter((text) => text.startsWith('HTTP')).length;
      const capped = wanted.filter((text, index) => text !== results.get('none')?.get('function')?.[index]).length;
      const count = trialsWith(nth).length;
      rows.push(
        [name.padEnd(24), count, refused, capped, count - differing.length, differing.length]
          .map((cell) => String(cell).padStart(9))
          .join(' '),
      );
      disagreements.push(...differing);
    }
    t.diagnostic(
      ['policy'.padEnd(24), 'Jobs', 'refused', 'changed', 'agree', 'disagree']
        .map((cell) => cell.padStart(9))
        .join(' '),
    );
    for (const row of rows) t.diagnostic(row);
    t.diagnostic(`compared: ${compared.POST} new Jobs, ${compared.PATCH} updates`);
    assert.ok(compared.POST >= LEAST.POST && compared.PATCH >= LEAST.PATCH);
    assert.deepEqual(disagreements.slice(0, 10), []);
  });
});
