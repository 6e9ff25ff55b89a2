import { type Json, aJob as someJob } from '../builders/a-job.ts';
import { NAMESPACE, REGISTRATION, SECRET } from './cluster.ts';

/** A call that the thief of a token of the daemon could try. */
export interface Attempt {
  /** Description for the table in the documents. */
  readonly what: string;
  /** Arguments of `RawApi`. `APPLY` is a server-side apply. */
  readonly call: readonly [method: string, path: string, body?: Json];
  /** For an allowed call, its effect. For a call that is not refused by RBAC, what refuses it. */
  readonly note?: string;
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
 * The container of the Jobs that `furnish` of the test creates. A merge patch must repeat it, because it replaces
 * lists.
 */
const [container] = someJob().spec.template.spec.containers;
const starved = { containers: [{ ...container, resources: { limits: { memory: '8Mi' }, requests: { cpu: '900' } } }] };
const owner = { apiVersion: 'v1', kind: 'ConfigMap', name: 'gone', uid: '11111111-2222-4333-8444-555555555555' };
const access = { spec: { resourceAttributes: { verb: 'get', resource: 'pods' } } };

/** Allowed calls. The order matters, because later calls use the results of earlier ones. */
export const ALLOWED: readonly Attempt[] = [
  {
    what: "make or replace the fields of the daemon's Secret (apply)",
    call: ['APPLY', applied(secret(SECRET)), aSecret(SECRET)],
    note: 'certificates of its own choice, until the daemon looks: they are replaced where they do not fit',
  },
  {
    what: "read the daemon's Secret",
    call: ['GET', secret(SECRET)],
    note: 'the keys of the certificate authority and of the endpoint',
  },
  { what: "watch the daemon's Secret", call: ['GET', named(secrets, SECRET)], note: 'the same, after each rotation' },
  {
    what: "patch the daemon's Secret",
    call: ['PATCH', secret(SECRET), { metadata: { annotations: { 'terraform.job.kb.io/paused': 'true' } } }],
    note: 'stop or ask for rotations',
  },
  {
    what: "delete the daemon's Secret",
    call: ['DELETE', secret(SECRET)],
    note: 'new certificates in less than half a second',
  },
  {
    what: "make the daemon's registration (apply)",
    call: ['APPLY', applied(`${registrations}/${REGISTRATION}`), aRegistration(REGISTRATION)],
    note: '**any write in the cluster is sent to the thief, who may change it**',
  },
  {
    what: "read and watch the daemon's registration",
    call: ['GET', named(registrations, REGISTRATION)],
    note: 'nothing: a CA bundle is public',
  },
  {
    what: "patch the daemon's registration",
    call: ['PATCH', `${registrations}/${REGISTRATION}`, { webhooks: [] }],
    note: 'as with an apply; an entry of the daemon is mended at once, one that is added stays',
  },
  {
    what: 'list Jobs of all namespaces',
    call: ['GET', `${batch}/jobs`],
    note: 'what stands in them: variables in plain text too',
  },
  { what: 'watch Jobs of all namespaces', call: ['GET', `${batch}/jobs?watch=true`], note: 'the same' },
  {
    what: 'stop a Job (`suspend`, `activeDeadlineSeconds`), raise its `backoffLimit` or `parallelism`',
    call: [
      'PATCH',
      `${jobs}/${RUNNING}`,
      { spec: { suspend: true, activeDeadlineSeconds: 9, backoffLimit: 9, parallelism: 2 } },
    ],
    note: 'runs that are cut off, or more than one',
  },
  {
    what: 'give a Job an owner that is gone, or a `ttlSecondsAfterFinished`',
    call: [
      'PATCH',
      `${jobs}/${RUNNING}`,
      { metadata: { ownerReferences: [owner] }, spec: { ttlSecondsAfterFinished: 0 } },
    ],
    note: 'Kubernetes deletes the Job; terraform-controller makes it anew, which is another run',
  },
  {
    what: 'give a Job a finalizer',
    call: ['PATCH', `${jobs}/${RUNNING}`, { metadata: { finalizers: ['example.com/thief'] } }],
    note: 'once deleted, the Job and its namespace stay until somebody takes it out, and terraform-controller cannot make the Job anew',
  },
  {
    what: "take a Job's finalizers away",
    call: ['PATCH', `${jobs}/${RUNNING}`, { metadata: { finalizers: null } }],
    note: 'a deletion does not wait for what it should wait for: Pods may be left behind',
  },
  {
    what: 'send the Pods of a suspended Job to other nodes (`nodeSelector`, `tolerations`, node affinity), and change their labels and annotations',
    call: ['PATCH', `${jobs}/${WAITING}`, { spec: { template: { metadata: marks, spec: moved } } }],
    note: 'the same Pod elsewhere: **on a node that the thief holds, with all that it mounts**; what injects sidecars by annotation may be made to',
  },
  {
    what: 'hold the Pods of a suspended Job back (`schedulingGates`)',
    call: ['PATCH', `${jobs}/${WAITING}`, template({ schedulingGates: [{ name: 'example.com/thief' }] })],
    note: 'once started, they wait for ever',
  },
  {
    what: 'change the resources that the Pods of a suspended Job ask for and may use',
    call: ['PATCH', `${jobs}/${WAITING}`, template(starved)],
    note: 'Pods that fit on no node, or are killed for want of memory',
    since: 36,
  },
  {
    what: 'do these three to a Job that has been running, once it is suspended',
    call: [
      'PATCH',
      `${jobs}/${STOPPED}`,
      template({ ...moved, ...starved, schedulingGates: [{ name: 'example.com/thief' }] }),
    ],
    note: 'as said, and of any Job, as it can be suspended first',
    since: 36,
  },
  {
    what: 'make an Event in any namespace',
    call: ['POST', inNamespace(core, 'events', TEAM), anEvent(TEAM)],
    note: 'messages that look like those of others',
  },
  {
    what: "make and change Events of the daemon's namespace",
    call: ['APPLY', applied(`${inNamespace(core, 'events')}/thief`), anEvent(NAMESPACE)],
    note: 'as said',
  },
  {
    what: 'take the Lease',
    call: ['APPLY', applied(`${leases}/${LEASE}`), aLease(LEASE)],
    note: "no backstop and no change of the webhook's settings for as long as it is kept; the endpoint works on, and trust is repaired",
  },
  {
    what: 'read its own ClusterRole',
    call: ['GET', `${rbac}/clusterroles/${DAEMON}`],
    note: 'nothing: it is in the manifests',
  },
  {
    what: 'ask what it may do, as every account may',
    call: ['POST', '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews', access],
    note: 'nothing',
  },
];

const toServiceAccount = (name: string) => `${inNamespace(core, 'serviceaccounts')}/${name}/token`;
const tokenSecret = aSecret(SECRET, {
  type: 'kubernetes.io/service-account-token',
  data: {},
  metadata: { name: SECRET, annotations: { 'kubernetes.io/service-account.name': OTHER } },
});

/** Refused calls by subject. RBAC responds with 403; with 422, `note` names what refuses. */
export const REFUSED: Readonly<Record<string, readonly Attempt[]>> = {
  Secrets: [
    { what: 'list those of all namespaces', call: ['GET', `${core}/secrets`] },
    { what: 'list those of its namespace', call: ['GET', secrets] },
    { what: 'list its own, by a field selector', call: ['GET', `${secrets}?fieldSelector=metadata.name=${SECRET}`] },
    { what: 'watch those of its namespace', call: ['GET', `${secrets}?watch=true`] },
    { what: 'read another', call: ['GET', secret(OTHER)] },
    { what: 'watch another', call: ['GET', named(secrets, OTHER)] },
    { what: 'make another by POST', call: ['POST', secrets, aSecret('thief')] },
    { what: 'make its own by POST, where no name can be checked', call: ['POST', secrets, aSecret(SECRET)] },
    { what: 'make another by apply', call: ['APPLY', applied(secret('thief')), aSecret('thief')] },
    { what: 'patch another', call: ['PATCH', secret(OTHER), { data: {} }] },
    { what: 'replace its own (PUT)', call: ['PUT', secret(SECRET), aSecret(SECRET)] },
    { what: 'delete another', call: ['DELETE', secret(OTHER)] },
    { what: 'delete all of its namespace', call: ['DELETE', secrets] },
    { what: 'read one of the same name in another namespace', call: ['GET', secret(SECRET, TEAM)] },
    {
      what: 'make its own one for the token of another ServiceAccount',
      call: ['APPLY', applied(secret(SECRET)), tokenSecret],
      note: 'the ValidatingAdmissionPolicy `terraform-daemon-secret-type`',
    },
  ],
  Admission: [
    { what: 'list registrations', call: ['GET', registrations] },
    { what: 'read another registration', call: ['GET', `${registrations}/${OTHER}`] },
    { what: 'patch another registration', call: ['PATCH', `${registrations}/${OTHER}`, { webhooks: [] }] },
    {
      what: 'make another registration by apply',
      call: ['APPLY', applied(`${registrations}/thief`), aRegistration('thief')],
    },
    { what: 'make its own registration by POST', call: ['POST', registrations, aRegistration(REGISTRATION)] },
    {
      what: 'replace its own registration (PUT)',
      call: ['PUT', `${registrations}/${REGISTRATION}`, aRegistration(REGISTRATION)],
    },
    { what: 'delete its own registration', call: ['DELETE', `${registrations}/${REGISTRATION}`] },
    {
      what: 'make a validating webhook of that name',
      call: [
        'APPLY',
        applied(`${admission}/validatingwebhookconfigurations/${REGISTRATION}`),
        anObject('admissionregistration.k8s.io/v1', 'ValidatingWebhookConfiguration', REGISTRATION),
      ],
    },
    {
      what: 'make a MutatingAdmissionPolicy',
      call: ['POST', `${admission}/mutatingadmissionpolicies`, anObject('v1', 'MutatingAdmissionPolicy', 'thief')],
    },
    {
      what: 'take away the policy about the type of its Secret',
      call: ['DELETE', `${admission}/validatingadmissionpolicybindings/terraform-daemon-secret-type`],
    },
    {
      what: 'change that policy',
      call: ['PATCH', `${admission}/validatingadmissionpolicies/terraform-daemon-secret-type`, { spec: {} }],
    },
  ],
  Jobs: [
    { what: 'read one', call: ['GET', `${jobs}/${RUNNING}`] },
    { what: 'make one by POST', call: ['POST', jobs, aJob] },
    { what: 'make one by apply', call: ['APPLY', applied(`${jobs}/thief`), aJob] },
    { what: 'replace one (PUT)', call: ['PUT', `${jobs}/${RUNNING}`, aJob] },
    { what: 'delete one', call: ['DELETE', `${jobs}/${RUNNING}`] },
    { what: 'delete all of a namespace', call: ['DELETE', jobs] },
    { what: 'write the status of one', call: ['PATCH', `${jobs}/${RUNNING}/status`, { status: { succeeded: 1 } }] },
    {
      what: 'change what one runs',
      call: ['PATCH', `${jobs}/${RUNNING}`, template(podSpec)],
      note: 'a Pod template is immutable',
    },
    {
      what: 'change what a suspended one runs, or as whom',
      call: ['PATCH', `${jobs}/${WAITING}`, template({ ...podSpec, serviceAccountName: OTHER })],
      note: 'the same',
    },
    { what: 'make a CronJob', call: ['POST', inNamespace(batch, 'cronjobs', TEAM), {}] },
    { what: 'patch a CronJob', call: ['PATCH', `${inNamespace(batch, 'cronjobs', TEAM)}/a`, {}] },
  ],
  'Events and Leases': [
    { what: 'list Events', call: ['GET', inNamespace(core, 'events')] },
    { what: 'read an Event of another namespace', call: ['GET', `${inNamespace(core, 'events', TEAM)}/thief`] },
    { what: 'change one of another namespace', call: ['PATCH', `${inNamespace(core, 'events', TEAM)}/thief`, {}] },
    { what: 'delete an Event', call: ['DELETE', `${inNamespace(core, 'events')}/thief`] },
    {
      what: 'make one by the newer API group',
      call: ['POST', inNamespace('/apis/events.k8s.io/v1', 'events', TEAM), {}],
    },
    { what: 'read another Lease', call: ['GET', `${leases}/${OTHER}`] },
    { what: 'make another Lease by apply', call: ['APPLY', applied(`${leases}/thief`), aLease('thief')] },
    { what: "patch another's Lease", call: ['PATCH', `${leases}/${OTHER}`, { spec: {} }] },
    {
      what: "patch a control plane's Lease",
      call: ['PATCH', `${inNamespace(coordination, 'leases', 'kube-system')}/kube-controller-manager`, {}],
    },
    { what: 'delete its own Lease', call: ['DELETE', `${leases}/${LEASE}`] },
  ],
  'Pods and other objects': [
    { what: 'list Pods', call: ['GET', `${core}/pods`] },
    { what: 'make a Pod', call: ['POST', inNamespace(core, 'pods'), aPod] },
    { what: 'patch a Pod', call: ['PATCH', `${inNamespace(core, 'pods')}/a`, {}] },
    { what: 'run a command in a Pod', call: ['POST', `${inNamespace(core, 'pods')}/a/exec?command=sh`] },
    { what: "read a Pod's log", call: ['GET', `${inNamespace(core, 'pods')}/a/log`] },
    { what: 'evict a Pod', call: ['POST', `${inNamespace(core, 'pods')}/a/eviction`, {}] },
    { what: 'read a ConfigMap', call: ['GET', `${inNamespace(core, 'configmaps')}/kube-root-ca.crt`] },
    { what: 'read a namespace', call: ['GET', `${core}/namespaces/${NAMESPACE}`] },
    { what: 'list nodes', call: ['GET', `${core}/nodes`] },
    { what: 'point its Service elsewhere', call: ['PATCH', `${inNamespace(core, 'services')}/${OTHER}`, {}] },
    {
      what: 'change its own Deployment',
      call: ['PATCH', `${inNamespace('/apis/apps/v1', 'deployments')}/${DAEMON}`, {}],
    },
    {
      what: "read terraform-controller's Configurations",
      call: ['GET', '/apis/terraform.core.oam.dev/v1beta2/configurations'],
    },
    { what: "read the API server's metrics", call: ['GET', '/metrics'] },
  ],
  Identity: [
    { what: 'mint a token for itself', call: ['POST', toServiceAccount(DAEMON), {}] },
    { what: 'mint a token for another account', call: ['POST', toServiceAccount(OTHER), {}] },
    { what: 'have a token reviewed', call: ['POST', '/apis/authentication.k8s.io/v1/tokenreviews', {}] },
    {
      what: 'ask what others may do',
      call: ['POST', '/apis/authorization.k8s.io/v1/subjectaccessreviews', { spec: { user: 'a' } }],
    },
    {
      what: 'ask for a client certificate',
      call: ['POST', '/apis/certificates.k8s.io/v1/certificatesigningrequests', {}],
    },
    { what: 'read another ClusterRole', call: ['GET', `${rbac}/clusterroles/cluster-admin`] },
    { what: 'widen its own ClusterRole', call: ['PATCH', `${rbac}/clusterroles/${DAEMON}`, { rules: [] }] },
    { what: 'widen its own Role', call: ['PATCH', `${inNamespace(rbac, 'roles')}/${DAEMON}`, { rules: [] }] },
    { what: 'bind itself to another role', call: ['POST', `${rbac}/clusterrolebindings`, {}] },
    { what: 'change its own ServiceAccount', call: ['PATCH', `${inNamespace(core, 'serviceaccounts')}/${DAEMON}`, {}] },
  ],
};
