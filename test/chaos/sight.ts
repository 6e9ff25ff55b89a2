import { X509Certificate } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { V1MutatingWebhook, V1MutatingWebhookConfiguration } from '@kubernetes/client-node';
import { OWN, REGISTRATION } from '../support/cluster/cluster.ts';
import { type RawApi, rawApi } from '../support/cluster/raw-api.ts';

const EVERY_MS = 100;
const PATIENCE_MS = 1_000;
const PATH = `/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/${REGISTRATION}`;

/** The registration in the cache of one API server. */
export interface Seen {
  readonly isIntact: boolean;
  /** The resourceVersion of the registration; 0 if the registration does not exist. */
  readonly resourceVersion: bigint;
}

export interface Sight {
  /** Returns the last state that was read; `undefined` if the last read failed. */
  latest(): Seen | undefined;
  stop(): Promise<void>;
}

/**
 * Reads the registration from the cache of one API server (`resourceVersion=0`) ten times a second, because admission
 * uses this cache. The registration is intact if the entry equals `wanted` and its bundle has only authorities that the
 * daemon has issued.
 */
export async function startSight(kubeconfig: string, wanted: V1MutatingWebhook): Promise<Sight> {
  const api = await rawApi(kubeconfig);
  const stopped = new AbortController();
  let latest: Seen | undefined;
  const looking = (async () => {
    while (!stopped.signal.aborted) {
      latest = await look(api, wanted);
      await delay(EVERY_MS, undefined, { signal: stopped.signal }).catch(() => {});
    }
    api.close();
  })();
  return {
    latest: () => latest,
    stop() {
      stopped.abort();
      return looking;
    },
  };
}

async function look(api: RawApi, wanted: V1MutatingWebhook): Promise<Seen | undefined> {
  const late = delay(PATIENCE_MS, undefined, { ref: false });
  const reply = await Promise.race([api.call('GET', `${PATH}?resourceVersion=0`).catch(() => undefined), late]);
  if (reply?.status === 404) return { isIntact: false, resourceVersion: 0n };
  if (reply?.status !== 200) return undefined;
  const { metadata, webhooks = [] } = reply.body as V1MutatingWebhookConfiguration;
  const own = webhooks.find(({ name }) => name === OWN);
  return { isIntact: isIntact(own, wanted), resourceVersion: BigInt(metadata?.resourceVersion ?? 0) };
}

function isIntact(own: V1MutatingWebhook | undefined, wanted: V1MutatingWebhook): boolean {
  return own !== undefined && withoutBundle(own) === withoutBundle(wanted) && isOfAuthorities(own);
}

const withoutBundle = ({ clientConfig, ...entry }: V1MutatingWebhook): string =>
  JSON.stringify(sorted({ ...entry, clientConfig: { ...clientConfig, caBundle: undefined } }));

/** Sorts the fields of objects, because API server and client order them differently. */
const sorted = (value: unknown): unknown =>
  value !== null && typeof value === 'object' && !Array.isArray(value)
    ? Object.fromEntries(
        Object.entries(value)
          .sort(([a], [b]) => (a < b ? -1 : 1))
          .map(([name, field]) => [name, sorted(field)]),
      )
    : Array.isArray(value)
      ? value.map(sorted)
      : value;

function isOfAuthorities({ clientConfig }: V1MutatingWebhook): boolean {
  const text = Buffer.from(clientConfig.caBundle ?? '', 'base64').toString();
  const blocks = text.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  const isOurs = (block: string) => new X509Certificate(block).subject.includes('OU=CA\nCN=Kubernetes');
  return blocks.length > 0 && blocks.every(isOurs);
}
