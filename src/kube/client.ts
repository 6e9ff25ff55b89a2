import { getCACertificates } from 'node:tls';
import { isDeepStrictEqual } from 'node:util';
import {
  createConfiguration,
  type DispatcherOptions,
  KubeConfig,
  type RequestContext,
  ServerConfiguration,
  type User,
  Watch,
} from '@kubernetes/client-node';
import type { Dispatcher } from 'undici';
import { type Credentials, createCredentials } from './credentials.ts';
import { createHttp1Agent } from './http1-agent.ts';
import type { Kubeconfig } from './kubeconfig.ts';
import { type CallJson, createCallJson, type JsonCalls } from './requests.ts';
import { createFollowWatch } from './watch.ts';

/** The clients for one API server. */
export interface Clients extends JsonCalls {
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
    callJson: createCallJson(configuration, login, stop),
    callJsonToTheEnd: createCallJson(configuration, login, new AbortController().signal),
    followJson: createFollowWatch(new Watch(config), credentials.renew),
  };
}

class ClientConfig extends KubeConfig {
  readonly #user: User;
  readonly #credentials: Credentials;
  #shared: { readonly options: DispatcherOptions; readonly agent: Dispatcher } | undefined;

  constructor({ cluster, user }: Kubeconfig, credentials: Credentials) {
    super();
    this.loadFromClusterAndUser(cluster, user);
    this.#user = user;
    this.#credentials = credentials;
  }

  /**
   * Sets the credential and the agent of a request. Runs before each call and each watch, so that a renewed credential is
   * used.
   */
  override async applySecurityAuthentication(request: RequestContext): Promise<void> {
    this.users = [{ ...this.#user, ...(await this.#credentials.read()) }];
    await super.applySecurityAuthentication(request);
    if (this.#shared) request.setDispatcher(this.#shared.agent);
  }

  /**
   * Creates the agent for calls and watches, so that they share connections, and again if a certificate on disk has
   * changed. Returns `none`, because the client would create an agent, and a TLS connection, for each request.
   */
  override createDispatcherOptions(
    ...[cluster, agentOptions]: Parameters<KubeConfig['createDispatcherOptions']>
  ): DispatcherOptions {
    // Without a certificate authority, kubectl trusts the CAs of the system. client-node knows only the built-in CAs.
    const ca = agentOptions.ca ?? [...getCACertificates('default'), ...getCACertificates('system')];
    const options = super.createDispatcherOptions(cluster, { ...agentOptions, ca });
    if (!isDeepStrictEqual(options, this.#shared?.options)) {
      this.#shared = { options, agent: createHttp1Agent(options) };
    }
    return { type: 'none' };
  }
}
