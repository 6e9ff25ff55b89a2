import type { ConfigurationKey, ConfigurationStore } from '../backstop/configuration-store.ts';
import { orUnserved } from '../kube/errors.ts';
import type { CallJson } from '../kube/requests.ts';
import { asObject } from '../lib/json.ts';
import { createEvent } from './event-store.ts';

const API_VERSION = 'terraform.core.oam.dev/v1beta2';
const API = `/apis/${API_VERSION}`;
/** Configurations of one page of a list. A Configuration contains its HCL, so it can have 1.5 MB. */
const PER_PAGE = '5';
/** The next step if a right is missing. */
const RIGHTS = ' (needs manifests/base/rbac-configurations.yaml)';

interface List {
  readonly metadata: { readonly continue?: string };
  readonly items?: readonly unknown[] | null;
}

/** Returns the store that reads the Configurations of all namespaces on the API server. */
export function createConfigurationStore(callJson: CallJson): ConfigurationStore {
  return {
    read: ({ namespace, ...key }) =>
      namespace === undefined ? readByUid(callJson, key) : readByName(callJson, { namespace, ...key }),
    writeEvent: (configuration, event) =>
      createEvent(callJson, { apiVersion: API_VERSION, kind: 'Configuration', ...configuration }, event),
  };
}

async function readByName(callJson: CallJson, { namespace, name, uid }: ConfigurationKey): Promise<unknown> {
  const path = `${API}/namespaces/${namespace}/configurations/${name}`;
  const found = await orUnserved(callJson('GET', path), `read Configuration ${namespace}/${name}`, RIGHTS);
  return uid === undefined || uidOf(found) === uid ? found : undefined;
}

/** Lists the Configurations of this name in all namespaces until one has the uid. */
async function readByUid(callJson: CallJson, { name, uid }: ConfigurationKey): Promise<unknown> {
  const query = { fieldSelector: `metadata.name=${name}`, limit: PER_PAGE };
  let next: string | undefined;
  do {
    const page = callJson('GET', `${API}/configurations`, { query: next ? { ...query, continue: next } : query });
    const list = (await orUnserved(page, `list Configurations ${name}`, RIGHTS)) as List | undefined;
    const found = list?.items?.find((item) => uidOf(item) === uid);
    if (found !== undefined) return found;
    next = list?.metadata.continue;
  } while (next);
  return undefined;
}

const uidOf = (configuration: unknown): unknown => asObject(asObject(configuration).metadata).uid;
