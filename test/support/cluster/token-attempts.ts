import assert from 'node:assert/strict';
import { type Json, aJob as someJob } from '../builders/a-job.ts';
import { NAMESPACE, REGISTRATION, SECRET } from './cluster.ts';
import type { RawApi } from './raw-api.ts';

/** A call that the thief of a token of the daemon could try. */
export interface Attempt {
  /** Description for the table in the documents. */
  readonly what: string;
  /** Arguments of `RawApi`. `APPLY` is a server-side apply. */
  readonly call: readonly [method: string, path: string, body?: Json];
  /**
   * For an allowed call: the effect of the call. For a call that the API server refuses with 422: the rule or policy
   * that refuses the call.
   */
  readonly note?: string;
  /**
   * For an allowed call: what refuses the call, if the install has it. `limit-patches`: the component. `namespaces`: the
   * Roles of `--backstop-namespaces`, for Jobs and Pods of other namespaces.
   */
  readonly refusedWith?: readonly ('limit-patches' | 'namespaces')[];
  /** For an allowed call, the first Kubernetes minor version that accepts it. Earlier versions reject it as invalid. */
  readonly since?: number;
}

export const OTHER = 'other';
export const TEAM = 'team-a';
export const DAEMON = 'terraform-daemon';
export const LEASE = 'terraform-job-webhook-backstop';
/** Jobs in the namespace `TEAM`: one that runs, one suspended before its first run, and one suspended after it. */
export const [RUNNING, WAITING, STOPPED] = ['running', 'waiting', 'stopped'];

const [core, admission, batch] = ['/api/v1', '/apis/admissionregistration.k8s.io/v1', '/apis/batch/v1'];
const [rbac, coordination] = ['/apis/rbac.authorization.k8s.io/v1', '/apis/coordination.k8s.io/v1'];
const terraform = '/apis/terraform.core.oam.dev/v1beta2';
const configurations = `${terraform}/configurations`;
const inNamespace = (api: string, resource: string, namespace = NAMESPACE) =>
  `${api}/namespaces/${namespace}/${resource}`;
const secret = (name: string, namespace = NAMESPACE) => `${inNamespace(core, 'secrets', namespace)}/${name}`;
const secrets = inNamespace(core, 'secrets');
const registrations = `${admission}/mutatingwebhookconfigurations`;
const jobs = inNamespace(batch, 'jobs', TEAM);
const leases = inNamespace(coordination, 'leases');
const named = (path: string, name: string) => `${path}?watch=true&fieldSelector=metadata.name=${name}`;
const applied = (path: string) => `${path}?fieldManager=thief&force=true`;

const anObject = (apiVersion: string, kind: string, name: string, fields: Json = {}): Json => ({
  apiVersion,
  kind,
  metadata: { name },
  ...fields,
});
const aSecret = (name: string, fields: Json = {}) =>
  anObject('v1', 'Secret', name, { type: 'kubernetes.io/tls', data: { 'tls.crt': '', 'tls.key': '' }, ...fields });
const aRegistration = (name: string) =>
  anObject('admissionregistration.k8s.io/v1', 'MutatingWebhookConfiguration', name, { webhooks: [] });
const aLease = (name: string) =>
  anObject('coordination.k8s.io/v1', 'Lease', name, { spec: { holderIdentity: 'thief', leaseDurationSeconds: 15 } });
const podSpec = { containers: [{ name: 'a', image: 'thief' }], restartPolicy: 'Never' };
const aPod = anObject('v1', 'Pod', 'thief', { spec: podSpec });
const aJob = anObject('batch/v1', 'Job', 'thief', { spec: { template: { spec: podSpec } } });
const anEvent = (namespace: string) => ({
  ...anObject('v1', 'Event', 'thief', { reason: 'Thief', type: 'Normal', message: 'x' }),
  involvedObject: { kind: 'Job', namespace, name: RUNNING },
});
const template = (spec: Json) => ({ spec: { template: { spec } } });
const marks = { labels: { a: 'b' }, annotations: { a: 'b' } };
const elsewhere = { matchExpressions: [{ key: 'place', operator: 'In', values: ['elsewhere'] }] };
const moved = {
  nodeSelector: { place: 'elsewhere' },
  tolerations: [{ operator: 'Exists' }],
  affinity: { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [elsewhere] } } },
};
/**
 * The container of the Jobs that token-rights.test.ts creates. A merge patch replaces the list of containers, so the
 * patch must contain the whole container.
 */
const [container] = someJob().spec.template.spec.containers;
const starved = { containers: [{ ...container, resources: { limits: { memory: '8Mi' }, requests: { cpu: '900' } } }] };
const owner = { apiVersion: 'v1', kind: 'ConfigMap', name: 'gone', uid: '11111111-2222-4333-8444-555555555555' };
const forgedEntry = {
  manager: 'gitops',
  operation: 'Apply',
  apiVersion: 'batch/v1',
  fieldsType: 'FieldsV1',
  fieldsV1: { 'f:spec': { 'f:suspend': {} } },
};
const byBoth = ['limit-patches', 'namespaces'] as const;
const access = { spec: { resourceAttributes: { verb: 'get', resource: 'pods' } } };

/** Allowed calls. The order matters, because later calls use the results of earlier ones. */
export const ALLOWED: readonly Attempt[] = [
  {
    what: "create the daemon's Secret, or replace its fields (apply)",
    call: ['APPLY', applied(secret(SECRET)), aSecret(SECRET)],
    note: 'the daemon uses the certificates of the thief if they pass its checks, and replaces the others',
  },
  {
    what: "read the daemon's Secret",
    call: ['GET', secret(SECRET)],
    note: 'the thief has the private keys of the CA and of the serving certificate',
  },
  {
    what: "watch the daemon's Secret",
    call: ['GET', named(secrets, SECRET)],
    note: 'the thief gets the new private keys after each rotation',
  },
  {
    what: "patch the daemon's Secret",
    call: ['PATCH', secret(SECRET), { metadata: { annotations: { 'terraform.job.kb.io/paused': 'true' } } }],
    note: 'the thief pauses the writes of the daemon, or requests rotations',
  },
  {
    what: "delete the daemon's Secret",
    call: ['DELETE', secret(SECRET)],
    note: 'the daemon issues new certificates in less than half a second',
  },
  {
    what: "create the daemon's registration, or replace its fields (apply)",
    call: ['APPLY', applied(`${registrations}/${REGISTRATION}`), aRegistration(REGISTRATION)],
    note: '**the API server sends any write in the cluster to the thief, who can change it**',
  },
  {
    what: "read and watch the daemon's registration",
    call: ['GET', named(registrations, REGISTRATION)],
    note: 'none: the registration contains no secret',
  },
  {
    what: "patch the daemon's registration",
    call: ['PATCH', `${registrations}/${REGISTRATION}`, { webhooks: [] }],
    note: 'the same as with an apply: the daemon repairs its own entry, but an entry that the thief adds stays',
  },
  {
    what: 'list Jobs of all namespaces',
    call: ['GET', `${batch}/jobs`],
    note: 'the thief reads all Jobs, including plain-text values of environment variables',
    refusedWith: ['namespaces'],
  },
  {
    what: 'watch Jobs of all namespaces',
    call: ['GET', `${batch}/jobs?watch=true`],
    note: 'the thief reads each new or changed Job',
    refusedWith: ['namespaces'],
  },
  {
    what: 'list Pods of all namespaces',
    call: ['GET', `${core}/pods`],
    note: 'the thief reads all Pods, including plain-text values of environment variables, but not their logs',
    refusedWith: ['namespaces'],
  },
  {
    what: 'stop a Job (`suspend`, `activeDeadlineSeconds`), raise its `backoffLimit` or `parallelism`',
    call: [
      'PATCH',
      `${jobs}/${RUNNING}`,
      { spec: { suspend: true, activeDeadlineSeconds: 9, backoffLimit: 9, parallelism: 2 } },
    ],
    note: 'a run is interrupted, or a Job runs more than once',
    refusedWith: byBoth,
  },
  {
    what: 'give a Job an owner that does not exist, or a `ttlSecondsAfterFinished`',
    call: [
      'PATCH',
      `${jobs}/${RUNNING}`,
      { metadata: { ownerReferences: [owner] }, spec: { ttlSecondsAfterFinished: 0 } },
    ],
    note: 'Kubernetes deletes the Job; terraform-controller creates it again, which is a second run',
    refusedWith: byBoth,
  },
  {
    what: 'give a Job a finalizer',
    call: ['PATCH', `${jobs}/${RUNNING}`, { metadata: { finalizers: ['example.com/thief'] } }],
    note: 'a deletion of the Job or of its namespace does not finish until a person removes the finalizer, so terraform-controller cannot create the Job again',
    refusedWith: byBoth,
  },
  {
    what: 'remove the finalizers of a Job',
    call: ['PATCH', `${jobs}/${RUNNING}`, { metadata: { finalizers: null } }],
    note: 'Kubernetes deletes the Job without the cleanup that the finalizer waits for: Pods can be left behind',
    refusedWith: byBoth,
  },
  {
    what: 'give fields of a Job to another field manager (`managedFields`)',
    call: ['PATCH', `${jobs}/${RUNNING}`, { metadata: { managedFields: [forgedEntry] } }],
    note: 'if this manager applies the Job again, such as a GitOps controller, it removes these fields: `suspend`, labels, finalizers or owners of other writers',
    refusedWith: byBoth,
  },
  {
    what: 'send the Pods of a suspended Job to other nodes (`nodeSelector`, `tolerations`, node affinity), and change their labels and annotations',
    call: ['PATCH', `${jobs}/${WAITING}`, { spec: { template: { metadata: marks, spec: moved } } }],
    note: 'the Pod runs **on a node of the thief, with all volumes and Secrets that it mounts**. A webhook that injects sidecars by annotation can be made to inject one',
    refusedWith: byBoth,
  },
  {
    what: 'add `schedulingGates` to the Pods of a suspended Job',
    call: ['PATCH', `${jobs}/${WAITING}`, template({ schedulingGates: [{ name: 'example.com/thief' }] })],
    note: 'the Pods are never scheduled',
    refusedWith: byBoth,
  },
  {
    what: 'change the resource requests and limits of the Pods of a suspended Job',
    call: ['PATCH', `${jobs}/${WAITING}`, template(starved)],
    note: 'the Pods fit on no node, or are killed because of their memory limit',
    since: 36,
    refusedWith: byBoth,
  },
  {
    what: 'change the nodes, scheduling gates or resources of a Job that has run and is suspended',
    call: [
      'PATCH',
      `${jobs}/${STOPPED}`,
      template({ ...moved, ...starved, schedulingGates: [{ name: 'example.com/thief' }] }),
    ],
    note: 'the thief can do this to each Job, because the thief can suspend the Job first',
    since: 36,
    refusedWith: byBoth,
  },
  {
    what: 'create an Event in any namespace',
    call: ['POST', inNamespace(core, 'events', TEAM), anEvent(TEAM)],
    note: 'the Event can look like the Event of another component',
    refusedWith: ['namespaces'],
  },
  {
    what: "create and change Events in the daemon's namespace",
    call: ['APPLY', applied(`${inNamespace(core, 'events')}/thief`), anEvent(NAMESPACE)],
    note: 'the thief can falsify the Events of the daemon',
  },
  {
    what: "list and read terraform-controller's Configurations",
    call: ['GET', configurations],
    note: 'the thief reads the HCL and the variables of all Configurations',
  },
  {
    what: 'take the Lease',
    call: ['APPLY', applied(`${leases}/${LEASE}`), aLease(LEASE)],
    note: 'the backstop does not run, and no replica publishes changed options or a changed policy, while the thief renews the Lease. The endpoint works, and the CA bundle is repaired',
  },
  {
    what: 'read its own ClusterRole',
    call: ['GET', `${rbac}/clusterroles/${DAEMON}`],
    note: 'none: the ClusterRole is in the manifests',
  },
  {
    what: 'ask for its own rights, as every account can',
    call: ['POST', '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews', access],
    note: 'none',
  },
];

const toServiceAccount = (name: string) => `${inNamespace(core, 'serviceaccounts')}/${name}/token`;
const tokenSecret = aSecret(SECRET, {
  type: 'kubernetes.io/service-account-token',
  data: {},
  metadata: { name: SECRET, annotations: { 'kubernetes.io/service-account.name': OTHER } },
});

/**
 * Calls that the API server must refuse, by the name of the group of resources. RBAC refuses a call with 403. A call
 * with a `note` passes RBAC and is refused with 422.
 */
export const REFUSED: Readonly<Record<string, readonly Attempt[]>> = {
  Secrets: [
    { what: 'list the Secrets of all namespaces', call: ['GET', `${core}/secrets`] },
    { what: 'list the Secrets of its namespace', call: ['GET', secrets] },
    {
      what: 'list its own Secret, by a field selector',
      call: ['GET', `${secrets}?fieldSelector=metadata.name=${SECRET}`],
    },
    { what: 'watch the Secrets of its namespace', call: ['GET', `${secrets}?watch=true`] },
    { what: 'read another Secret', call: ['GET', secret(OTHER)] },
    { what: 'watch another Secret', call: ['GET', named(secrets, OTHER)] },
    { what: 'create another Secret by POST', call: ['POST', secrets, aSecret('thief')] },
    {
      what: 'create its own Secret by POST (RBAC cannot check the name of a POST)',
      call: ['POST', secrets, aSecret(SECRET)],
    },
    { what: 'create another Secret by apply', call: ['APPLY', applied(secret('thief')), aSecret('thief')] },
    { what: 'patch another Secret', call: ['PATCH', secret(OTHER), { data: {} }] },
    { what: 'replace its own Secret (PUT)', call: ['PUT', secret(SECRET), aSecret(SECRET)] },
    { what: 'delete another Secret', call: ['DELETE', secret(OTHER)] },
    { what: 'delete all Secrets of its namespace', call: ['DELETE', secrets] },
    { what: 'read the Secret of the same name in another namespace', call: ['GET', secret(SECRET, TEAM)] },
    {
      what: 'create its own Secret with the type for a token of another ServiceAccount',
      call: ['APPLY', applied(secret(SECRET)), tokenSecret],
      note: 'the ValidatingAdmissionPolicy `terraform-daemon-secret-type`',
    },
  ],
  Admission: [
    { what: 'list registrations', call: ['GET', registrations] },
    { what: 'read another registration', call: ['GET', `${registrations}/${OTHER}`] },
    { what: 'patch another registration', call: ['PATCH', `${registrations}/${OTHER}`, { webhooks: [] }] },
    {
      what: 'create another registration by apply',
      call: ['APPLY', applied(`${registrations}/thief`), aRegistration('thief')],
    },
    { what: 'create its own registration by POST', call: ['POST', registrations, aRegistration(REGISTRATION)] },
    {
      what: 'replace its own registration (PUT)',
      call: ['PUT', `${registrations}/${REGISTRATION}`, aRegistration(REGISTRATION)],
    },
    { what: 'delete its own registration', call: ['DELETE', `${registrations}/${REGISTRATION}`] },
    {
      what: 'create a validating webhook of the same name',
      call: [
        'APPLY',
        applied(`${admission}/validatingwebhookconfigurations/${REGISTRATION}`),
        anObject('admissionregistration.k8s.io/v1', 'ValidatingWebhookConfiguration', REGISTRATION),
      ],
    },
    {
      what: 'create a MutatingAdmissionPolicy',
      call: ['POST', `${admission}/mutatingadmissionpolicies`, anObject('v1', 'MutatingAdmissionPolicy', 'thief')],
    },
    {
      what: 'delete the binding of the policy `terraform-daemon-secret-type`',
      call: ['DELETE', `${admission}/validatingadmissionpolicybindings/terraform-daemon-secret-type`],
    },
    {
      what: 'change the policy `terraform-daemon-secret-type`',
      call: ['PATCH', `${admission}/validatingadmissionpolicies/terraform-daemon-secret-type`, { spec: {} }],
    },
  ],
  Jobs: [
    { what: 'read a Job', call: ['GET', `${jobs}/${RUNNING}`] },
    { what: 'create a Job by POST', call: ['POST', jobs, aJob] },
    { what: 'create a Job by apply', call: ['APPLY', applied(`${jobs}/thief`), aJob] },
    { what: 'replace a Job (PUT)', call: ['PUT', `${jobs}/${RUNNING}`, aJob] },
    { what: 'delete a Job', call: ['DELETE', `${jobs}/${RUNNING}`] },
    { what: 'delete all Jobs of a namespace', call: ['DELETE', jobs] },
    { what: 'write the status of a Job', call: ['PATCH', `${jobs}/${RUNNING}/status`, { status: { succeeded: 1 } }] },
    {
      what: 'change the containers of a Job',
      call: ['PATCH', `${jobs}/${RUNNING}`, template(podSpec)],
      note: 'the API server: these fields of a Pod template are immutable',
    },
    {
      what: 'change the containers or the service account of a suspended Job',
      call: ['PATCH', `${jobs}/${WAITING}`, template({ ...podSpec, serviceAccountName: OTHER })],
      note: 'the API server: these fields of a Pod template are immutable',
    },
    { what: 'create a CronJob', call: ['POST', inNamespace(batch, 'cronjobs', TEAM), {}] },
    { what: 'patch a CronJob', call: ['PATCH', `${inNamespace(batch, 'cronjobs', TEAM)}/a`, {}] },
  ],
  'Events and Leases': [
    { what: 'list Events', call: ['GET', inNamespace(core, 'events')] },
    { what: 'read an Event of another namespace', call: ['GET', `${inNamespace(core, 'events', TEAM)}/thief`] },
    { what: 'change an Event of another namespace', call: ['PATCH', `${inNamespace(core, 'events', TEAM)}/thief`, {}] },
    { what: 'delete an Event', call: ['DELETE', `${inNamespace(core, 'events')}/thief`] },
    {
      what: 'create an Event of the API group events.k8s.io',
      call: ['POST', inNamespace('/apis/events.k8s.io/v1', 'events', TEAM), {}],
    },
    { what: 'read another Lease', call: ['GET', `${leases}/${OTHER}`] },
    { what: 'create another Lease by apply', call: ['APPLY', applied(`${leases}/thief`), aLease('thief')] },
    { what: 'patch the Lease of another component', call: ['PATCH', `${leases}/${OTHER}`, { spec: {} }] },
    {
      what: 'patch the Lease of a control plane component',
      call: ['PATCH', `${inNamespace(coordination, 'leases', 'kube-system')}/kube-controller-manager`, {}],
    },
    { what: 'delete its own Lease', call: ['DELETE', `${leases}/${LEASE}`] },
  ],
  'Pods and other objects': [
    { what: 'watch Pods', call: ['GET', `${core}/pods?watch=true&timeoutSeconds=1`] },
    { what: 'read a Pod', call: ['GET', `${inNamespace(core, 'pods')}/a`] },
    { what: 'create a Pod', call: ['POST', inNamespace(core, 'pods'), aPod] },
    { what: 'patch a Pod', call: ['PATCH', `${inNamespace(core, 'pods')}/a`, {}] },
    { what: 'run a command in a Pod', call: ['POST', `${inNamespace(core, 'pods')}/a/exec?command=sh`] },
    { what: 'read the log of a Pod', call: ['GET', `${inNamespace(core, 'pods')}/a/log`] },
    { what: 'evict a Pod', call: ['POST', `${inNamespace(core, 'pods')}/a/eviction`, {}] },
    { what: 'read a ConfigMap', call: ['GET', `${inNamespace(core, 'configmaps')}/kube-root-ca.crt`] },
    { what: 'read a namespace', call: ['GET', `${core}/namespaces/${NAMESPACE}`] },
    { what: 'list nodes', call: ['GET', `${core}/nodes`] },
    { what: 'point its Service elsewhere', call: ['PATCH', `${inNamespace(core, 'services')}/${OTHER}`, {}] },
    {
      what: 'change its own Deployment',
      call: ['PATCH', `${inNamespace('/apis/apps/v1', 'deployments')}/${DAEMON}`, {}],
    },
    { what: "watch terraform-controller's Configurations", call: ['GET', `${configurations}?watch=true`] },
    {
      what: 'change a Configuration of terraform-controller',
      call: ['PATCH', `${inNamespace(terraform, 'configurations', TEAM)}/${OTHER}`, {}],
    },
    { what: "read terraform-controller's Providers", call: ['GET', `${terraform}/providers`] },
    { what: "read the API server's metrics", call: ['GET', '/metrics'] },
  ],
  Identity: [
    { what: 'mint a token for itself', call: ['POST', toServiceAccount(DAEMON), {}] },
    { what: 'mint a token for another account', call: ['POST', toServiceAccount(OTHER), {}] },
    { what: 'create a TokenReview', call: ['POST', '/apis/authentication.k8s.io/v1/tokenreviews', {}] },
    {
      what: 'ask for the rights of other users',
      call: ['POST', '/apis/authorization.k8s.io/v1/subjectaccessreviews', { spec: { user: 'a' } }],
    },
    {
      what: 'request a client certificate',
      call: ['POST', '/apis/certificates.k8s.io/v1/certificatesigningrequests', {}],
    },
    { what: 'read another ClusterRole', call: ['GET', `${rbac}/clusterroles/cluster-admin`] },
    { what: 'widen its own ClusterRole', call: ['PATCH', `${rbac}/clusterroles/${DAEMON}`, { rules: [] }] },
    { what: 'widen its own Role', call: ['PATCH', `${inNamespace(rbac, 'roles')}/${DAEMON}`, { rules: [] }] },
    { what: 'bind itself to another role', call: ['POST', `${rbac}/clusterrolebindings`, {}] },
    { what: 'change its own ServiceAccount', call: ['PATCH', `${inNamespace(core, 'serviceaccounts')}/${DAEMON}`, {}] },
  ],
};

/** Creates the Jobs that the attempts target, in the namespace `TEAM`. */
export async function createTargetJobs(admin: RawApi): Promise<void> {
  for (const [name, suspend] of [
    [RUNNING, false],
    [WAITING, true],
    [STOPPED, true],
  ] as const) {
    const reply = await admin.call('POST', jobs, { metadata: { name }, spec: { ...someJob().spec, suspend } });
    assert.equal(reply.status, 201, JSON.stringify(reply.body));
  }
  // Writes the status that the Job controller gives a suspended Job, because no Job controller runs here.
  const since = new Date().toISOString();
  const condition = { type: 'Suspended', status: 'True', lastTransitionTime: since, lastProbeTime: since };
  const reply = await admin.call('PATCH', `${jobs}/${STOPPED}/status`, {
    status: { startTime: since, conditions: [condition] },
  });
  assert.equal(reply.status, 200, JSON.stringify(reply.body));
}
