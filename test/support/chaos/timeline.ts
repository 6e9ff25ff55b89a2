import {
  KubeConfig,
  type KubernetesObject,
  type V1MutatingWebhookConfiguration,
  type V1Secret,
  Watch,
} from '@kubernetes/client-node';
import { type Cluster, NAMESPACE, REGISTRATION, SECRET } from '../cluster/cluster.ts';
import { eventually } from '../eventually.ts';

/** A state of the objects of the daemon, and the time of its watch event. */
export interface Moment {
  readonly at: Date;
  readonly secret: V1Secret | undefined;
  readonly registration: V1MutatingWebhookConfiguration | undefined;
}

/** The states of the Secret and the registration, recorded by a watch. */
export interface Timeline {
  moments(): readonly Moment[];
  /** Resolves with the first moment at or after `since` for which the check holds. */
  when(check: (moment: Moment) => boolean, since: Date, options?: { readonly withinMs?: number }): Promise<Moment>;
  /**
   * Resolves with two moments: `done`, the damage, is the moment with index `before`. `seen`, the repair, is the first
   * later moment for which the check holds. Moments are counted, because the watch can record the repair before the
   * client knows that its own write has succeeded.
   */
  answer(check: (moment: Moment) => boolean, before: number): Promise<{ readonly done: Moment; readonly seen: Moment }>;
  stop(): void;
}

/**
 * Starts the recording. client-node ends a watch after 30 s without events, so the watch is started again from its last
 * resourceVersion.
 */
export async function startTimeline({ kubeconfig }: Pick<Cluster, 'kubeconfig'>): Promise<Timeline> {
  const config = new KubeConfig();
  config.loadFromFile(kubeconfig);
  const controllers = new Set<AbortController>();
  const moments: Moment[] = [{ at: new Date(), secret: undefined, registration: undefined }];
  let isStopped = false;

  const record = (change: Partial<Moment>) => {
    const last = moments.at(-1);
    moments.push({ secret: last?.secret, registration: last?.registration, ...change, at: new Date() });
  };
  async function follow<T extends KubernetesObject>(
    [path, name]: readonly [string, string],
    seen: (object: T | undefined) => void,
    since?: string,
  ): Promise<void> {
    const { promise: ended, resolve: end } = Promise.withResolvers<unknown>();
    let version = since;
    const controller = await new Watch(config).watch(
      path,
      { fieldSelector: `metadata.name=${name}`, ...(since ? { resourceVersion: since } : {}) },
      (type, object: T) => {
        version = type === 'ERROR' ? undefined : object.metadata?.resourceVersion;
        if (type !== 'ERROR') seen(type === 'DELETED' ? undefined : object);
      },
      end,
    );
    controllers.add(controller);
    void ended.then(() => {
      controllers.delete(controller);
      return isStopped ? undefined : follow([path, name], seen, version);
    });
  }
  await follow<V1Secret>([`/api/v1/namespaces/${NAMESPACE}/secrets`, SECRET], (secret) => record({ secret }));
  await follow<V1MutatingWebhookConfiguration>(
    ['/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations', REGISTRATION],
    (registration) => record({ registration }),
  );
  return {
    moments: () => moments,
    when: (check, since, { withinMs = 30_000 } = {}) =>
      eventually(
        () => {
          const found = moments.find((moment) => moment.at >= since && check(moment));
          if (found === undefined) throw new Error('not seen on the API server in time');
          return found;
        },
        { withinMs },
      ),
    answer: (check, before) =>
      eventually(() => {
        const [done, ...later] = moments.slice(before);
        const seen = later.find(check);
        if (done === undefined || seen === undefined) throw new Error('not answered on the API server in time');
        return { done, seen };
      }),
    stop() {
      isStopped = true;
      for (const controller of controllers) controller.abort();
    },
  };
}
