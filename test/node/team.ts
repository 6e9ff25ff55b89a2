import assert from 'node:assert/strict';
import { type CoreV1Event, CustomObjectsApi, type V1Job } from '@kubernetes/client-node';
import type { TerraformController } from '../../tools/control-plane/binaries.ts';
import type { ProcessGroup } from '../../tools/control-plane/process-group.ts';
import { applyTerraformCrds, startTerraformController } from '../../tools/control-plane/terraform-controller.ts';
import { TERRAFORM_IMAGES } from '../../tools/image/images.ts';
import { apiClient } from '../support/cluster/api-client.ts';
import { eventually } from '../support/eventually.ts';
import { notRetriedNote, type Stage } from './support.ts';
import type { Outcome, TicketSystem } from './tickets.ts';

const CONFIGURATIONS = { group: 'terraform.core.oam.dev', version: 'v1beta2', plural: 'configurations' };
const HCL = 'variable "account" {}\nresource "alicloud_oss_bucket" "logs" {}';
const DONE_MS = 90_000;

export interface Configuration {
  readonly metadata: { readonly uid: string; readonly name: string };
  readonly status?: {
    readonly apply?: { readonly state?: string; readonly message?: string };
    readonly destroy?: { readonly state?: string; readonly message?: string };
  };
}

export type Action = 'apply' | 'destroy';

/** One namespace of Configurations, with one running terraform-controller. */
export interface Team {
  readonly namespace: string;
  /** The namespace of the Jobs. */
  readonly jobNamespace: string;
  readonly create: (name: string, outcome: Outcome) => Promise<void>;
  readonly decide: (name: string, outcome: Outcome) => Promise<void>;
  readonly configuration: (name: string) => Promise<Configuration>;
  /** Returns the names of the Configurations that exist. */
  readonly configurations: () => Promise<readonly string[]>;
  /** Changes an annotation of a Configuration, so that terraform-controller reads the Configuration. */
  readonly touch: (name: string) => Promise<void>;
  readonly job: (name: string, action?: Action) => Promise<V1Job>;
  /** Deletes the Job of a Configuration and returns its uid. */
  readonly deleteJob: (name: string, action?: Action) => Promise<string>;
  /**
   * Resolves when terraform-controller has created the Job of a Configuration again, with the time in ms. Rejects if
   * the Job is not there after `withinMs`.
   */
  readonly untilBack: (uid: string, name: string, wait: { withinMs: number; action?: Action }) => Promise<number>;
  /** Resolves when a Job has ended. */
  readonly untilJob: (condition: 'Complete' | 'Failed', name: string, action?: Action) => Promise<V1Job>;
  /** Returns the number of runs of terraform with this action. */
  readonly runs: (name: string, action?: Action) => Promise<number>;
  /** Returns the number of Events on a Configuration that another program than the daemon has written. */
  readonly events: (name: string) => Promise<number>;
  /** Returns the Events of the daemon on a Configuration. */
  readonly reports: (name: string) => Promise<readonly CoreV1Event[]>;
  /** Returns the message of the Event of the daemon on the failed Job of a Configuration. */
  readonly jobEvent: (name: string) => Promise<string>;
  /** Returns the name of the only Pod of the Job of a Configuration. */
  readonly podName: (name: string) => Promise<string>;
  readonly restart: () => Promise<void>;
  readonly stop: () => Promise<void>;
}

export interface TeamOptions {
  readonly stage: Stage;
  readonly tickets: TicketSystem;
  readonly group: ProcessGroup;
  readonly version: TerraformController;
  readonly namespace: string;
  readonly controllerNamespace: string | undefined;
}

export async function startTeam(options: TeamOptions): Promise<Team> {
  const { stage, tickets, namespace, controllerNamespace } = options;
  const jobNamespace = controllerNamespace ?? namespace;
  for (const name of new Set([namespace, jobNamespace]))
    await stage.core.createNamespace({ body: { metadata: { name } } });
  const controller = await startController(options);
  const objects = apiClient(stage.kubeconfig, CustomObjectsApi);
  const uids = new Map<string, string>();
  let touches = 0;
  const account = (name: string) => `${namespace}-${name}`;
  const decide = (name: string, outcome: Outcome) => tickets.decide(account(name), outcome);
  const jobName = (name: string, action: Action) =>
    `${controllerNamespace === undefined ? name : uids.get(name)}-${action}`;
  const job = (name: string, action: Action = 'apply') =>
    stage.batch.readNamespacedJob({ namespace: jobNamespace, name: jobName(name, action) });
  const eventsOn = async (name: string) => {
    const fieldSelector = `involvedObject.kind=Configuration,involvedObject.name=${name}`;
    return (await stage.core.listNamespacedEvent({ namespace, fieldSelector })).items;
  };
  return {
    namespace,
    jobNamespace,
    decide,
    create: async (name, outcome) => {
      await decide(name, outcome);
      const spec = { inlineCredentials: true, hcl: HCL, variable: { account: account(name) } };
      const body = { apiVersion: 'terraform.core.oam.dev/v1beta2', kind: 'Configuration', metadata: { name }, spec };
      const created = await objects.createNamespacedCustomObject({ ...CONFIGURATIONS, namespace, body });
      uids.set(name, created.metadata.uid);
    },
    configuration: (name) => objects.getNamespacedCustomObject({ ...CONFIGURATIONS, namespace, name }),
    configurations: async () => {
      const { items } = await objects.listNamespacedCustomObject({ ...CONFIGURATIONS, namespace });
      return items.map(({ metadata }: Configuration) => metadata.name);
    },
    touch: async (name) => {
      touches += 1;
      await stage.kubectl('-n', namespace, 'annotate', '--overwrite', 'configuration', name, `touched=${touches}`);
    },
    job,
    deleteJob: async (name, action) => {
      const { metadata } = await job(name, action);
      await stage.kubectl('-n', jobNamespace, 'delete', 'job', metadata?.name ?? '');
      return metadata?.uid ?? '';
    },
    untilBack: (uid, name, { withinMs, action }) => {
      const startedAt = performance.now();
      return eventually(
        async () => {
          assert.notEqual((await job(name, action)).metadata?.uid, uid);
          return Math.round(performance.now() - startedAt);
        },
        { withinMs },
      );
    },
    untilJob: (condition, name, action) =>
      eventually(
        async () => {
          const found = await job(name, action);
          assert.ok(found.status?.conditions?.some(({ type }) => type === condition));
          return found;
        },
        { withinMs: DONE_MS },
      ),
    runs: (name, action = 'apply') => tickets.runs(jobName(name, action), account(name)),
    events: async (name) => (await eventsOn(name)).filter((event) => !isOfDaemon(event)).length,
    reports: async (name) => (await eventsOn(name)).filter(isOfDaemon),
    jobEvent: async (name) => {
      const { metadata } = await job(name);
      return notRetriedNote(stage, jobNamespace, metadata?.uid);
    },
    podName: async (name) => {
      const { metadata } = await job(name);
      const labelSelector = `batch.kubernetes.io/controller-uid=${metadata?.uid}`;
      const { items } = await stage.core.listNamespacedPod({ namespace: jobNamespace, labelSelector });
      assert.equal(items.length, 1);
      return items[0]?.metadata?.name ?? '';
    },
    ...controller,
  };
}

const isOfDaemon = ({ source }: CoreV1Event): boolean => source?.component === 'terraform-daemon';

async function startController({ stage, group, version, controllerNamespace }: TeamOptions) {
  const options = { version, kubeconfig: stage.kubeconfig, images: TERRAFORM_IMAGES, controllerNamespace };
  await applyTerraformCrds(options);
  let running = await startTerraformController(group, options);
  return {
    restart: async () => {
      await running.stop();
      running = await startTerraformController(group, options);
    },
    stop: () => running.stop(),
  };
}
