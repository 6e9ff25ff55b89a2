import { setTimeout as delay } from 'node:timers/promises';
import {
  ApiException,
  AppsV1Api,
  CoreV1Api,
  KubeConfig,
  PatchStrategy,
  setHeaderOptions,
  type V1Deployment,
  type V1Pod,
} from '@kubernetes/client-node';

const STRATEGIC = setHeaderOptions('Content-Type', PatchStrategy.StrategicMergePatch);
const PAUSE_MS = 100;

/** A process that stands in for the Pods of a Deployment. */
export interface StandIn {
  stop(): Promise<unknown>;
}

interface StandInNode {
  /** Stops the processes. Rejects if the node has failed. */
  stop(): Promise<void>;
}

interface Running {
  /** Absent until the process is ready. */
  process?: StandIn;
}

/**
 * Stands in for kubelet, scheduler and kube-proxy in the given namespaces: starts a process for each Deployment, then
 * reports its Pods as ready, and stops the process when the Deployment is deleted. Services lead to loopback, so the
 * port of a registration decides which process the API server calls.
 *
 * @param start resolves when the process is ready.
 */
export function startStandInNode(
  kubeconfig: string,
  namespaces: readonly string[],
  start: (deployment: V1Deployment) => Promise<StandIn>,
): StandInNode {
  const config = new KubeConfig();
  config.loadFromFile(kubeconfig);
  const [core, apps] = [config.makeApiClient(CoreV1Api), config.makeApiClient(AppsV1Api)];
  const running = new Map<string, Running>();
  const stopped = new AbortController();

  async function leadServicesToLoopback(namespace: string): Promise<void> {
    const body = { spec: { type: 'ExternalName', externalName: 'localhost' } };
    for (const { metadata, spec } of (await core.listNamespacedService({ namespace })).items) {
      if (spec?.type === 'ExternalName') continue;
      await core.patchNamespacedService({ namespace, name: metadata?.name ?? '', body }, STRATEGIC);
    }
  }
  async function reportReady(namespace: string, { spec }: V1Deployment): Promise<void> {
    const labelSelector = Object.entries(spec?.selector.matchLabels ?? {})
      .map((pair) => pair.join('='))
      .join();
    const { items } = await core.listNamespacedPod({ namespace, labelSelector });
    for (const { metadata } of items.filter((pod) => !isReady(pod))) {
      // With minReadySeconds the controllers count a Pod from this time on.
      const ready = { type: 'Ready', status: 'True', lastTransitionTime: new Date().toISOString() };
      const body = { status: { phase: 'Running', conditions: [ready] } };
      await core.patchNamespacedPodStatus({ namespace, name: metadata?.name ?? '', body }, STRATEGIC);
    }
  }
  async function tend(namespace: string): Promise<readonly string[]> {
    await leadServicesToLoopback(namespace);
    const { items } = await apps.listNamespacedDeployment({ namespace });
    const live = items.filter(({ metadata }) => metadata?.deletionTimestamp === undefined);
    for (const deployment of live) {
      const uid = deployment.metadata?.uid ?? '';
      const known = running.get(uid) ?? {};
      if (!running.has(uid)) {
        running.set(uid, known);
        known.process = await start(deployment);
      }
      await reportReady(namespace, deployment);
    }
    return live.map(({ metadata }) => metadata?.uid ?? '');
  }
  async function end(uids: Iterable<string>): Promise<void> {
    for (const uid of uids) {
      await running.get(uid)?.process?.stop();
      running.delete(uid);
    }
  }
  async function loop(): Promise<void> {
    while (!stopped.signal.aborted) {
      try {
        const live = (await Promise.all(namespaces.map(tend))).flat();
        await end([...running.keys()].filter((uid) => !live.includes(uid)));
      } catch (error) {
        // Another client changed or deleted the object in between. The next round reads it again.
        if (!(error instanceof ApiException && [404, 409].includes(error.code))) throw error;
      }
      await delay(PAUSE_MS);
    }
  }
  async function untilStopped(): Promise<void> {
    try {
      await loop();
    } finally {
      await end([...running.keys()]);
    }
  }
  const ended = untilStopped();
  ended.catch(() => {}); // `stop` reports the error
  return {
    stop() {
      stopped.abort();
      return ended;
    },
  };
}

const isReady = ({ status }: V1Pod): boolean =>
  status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') === true;
