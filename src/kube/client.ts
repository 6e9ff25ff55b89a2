import { getCACertificates } from 'node:tls';
import {
  createConfiguration,
  KubeConfig,
  type RequestContext,
  ServerConfiguration,
  type User,
  Watch,
} from '@kubernetes/client-node';
import { type Credentials, createCredentials } from './credentials.ts';
import { overHttp1 } from './http1-agent.ts';
import type { Kubeconfig } from './kubeconfig.ts';
import { type CallJson, createCalls, type JsonCalls, type ReadProtobuf } from './requests.ts';
import { createFollowWatch } from './watch.ts';

/** The clients for one API server. */
export interface Clients extends JsonCalls {
  readonly readProtobuf: ReadProtobuf;
  /** The URL of the API server. */
  readonly server: string;
  /** Like `callJson`, but not aborted by `stop`. After `stop` it uses the credential that was issued before. */
  readonly callJsonToTheEnd: CallJson;
}

/**
 * Connects to the API server. Calls nothing yet.
 *
 * @param kubeconfig `undefined` only if it had problems, which the caller must report instead.
 * @param stop aborts every call that is under way.
 */
export function connect(kubeconfig: Kubeconfig | undefined, stop: AbortSignal): Clients {
  if (!kubeconfig) throw new Error('the kubeconfig was not checked');
  const credentials = createCredentials(kubeconfig, stop);
  const config = new ClientConfig(kubeconfig, credentials);
  const { server } = kubeconfig.cluster;
  const configuration = createConfiguration({
    baseServer: new ServerConfiguration(server, {}),
    authMethods: { default: config },
  });
  const login = { config, renew: credentials.renew };
  return {
    server,
    ...createCalls(configuration, login, stop),
    callJsonToTheEnd: createCalls(configuration, login, new AbortController().signal).callJson,
    followJson: createFollowWatch(new Watch(config), credentials.renew),
  };
}

class ClientConfig extends KubeConfig {
  readonly #user: User;
  readonly #credentials: Credentials;

  constructor({ cluster, user }: Kubeconfig, credentials: Credentials) {
    super();
    this.loadFromClusterAndUser(cluster, user);
    this.#user = user;
    this.#credentials = credentials;
  }

  /** Sets the credential of a request. Runs before each call and each watch, so that a renewed credential is used. */
  override async applySecurityAuthentication(request: RequestContext): Promise<void> {
    this.users = [{ ...this.#user, ...(await this.#credentials.read()) }];
    return super.applySecurityAuthentication(request);
  }

  override createDispatcherOptions(...[cluster, options]: Parameters<KubeConfig['createDispatcherOptions']>) {
    // Without a certificate authority, kubectl trusts the CAs of the system. client-node knows only the built-in CAs.
    const ca = options.ca ?? [...getCACertificates('default'), ...getCACertificates('system')];
    return overHttp1(super.createDispatcherOptions(cluster, { ...options, ca }));
  }
}
