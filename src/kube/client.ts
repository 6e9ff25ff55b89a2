import { readFileSync } from 'node:fs';
import { createConfiguration, KubeConfig, ServerConfiguration, Watch } from '@kubernetes/client-node';
import { messageOf } from '../lib/errors.ts';
import { describeValue, oneLine, truncate } from '../lib/text.ts';
import { overHttp1 } from './http1-agent.ts';
import { createCallJson, type JsonCalls } from './requests.ts';
import { createFollowWatch } from './watch.ts';

const SERVICE_ACCOUNT = '/var/run/secrets/kubernetes.io/serviceaccount';

/** The clients for one API server. */
export interface Clients extends JsonCalls {
  /** The URL of the API server. */
  readonly server: string;
}

/** Returns the namespace of the Pod that this process runs in; `undefined` outside of a cluster. */
export function podNamespace(): string | undefined {
  try {
    return readFileSync(`${SERVICE_ACCOUNT}/namespace`, 'utf8').trim() || undefined;
  } catch {
    return undefined;
  }
}

/**
 * Returns the clients for the API server. The credentials come from the given kubeconfig, else from the ServiceAccount
 * of the Pod, else from `$KUBECONFIG` or `~/.kube/config`. Sends no request. Call `kubeconfigProblems` first, because
 * an invalid kubeconfig makes this function throw.
 *
 * @param stop aborts every call that is under way.
 */
export function connect(kubeconfig: string | undefined, stop: AbortSignal): Clients {
  const config = loadKubeConfig(kubeconfig);
  const cluster = config.getCurrentCluster();
  if (!cluster) throw new Error('the kubeconfig was not checked');
  const configuration = createConfiguration({
    baseServer: new ServerConfiguration(cluster.server, {}),
    authMethods: { default: config },
  });
  return {
    server: cluster.server,
    callJson: createCallJson(configuration, config, stop),
    followJson: createFollowWatch(new Watch(config)),
  };
}

/**
 * Returns the problems of the kubeconfig that `connect` would use, one line each. Also reads the files that the
 * kubeconfig names, because the client reads them at every call.
 *
 * @param label names the option in each line.
 */
export function kubeconfigProblems(label: string, kubeconfig: string | undefined): string[] {
  const value = kubeconfig === undefined ? 'not set' : `invalid value ${JSON.stringify(kubeconfig)}`;
  return configProblems(kubeconfig).map(([problem, allowed]) => {
    // Keep only the first line: below it the YAML parser quotes lines of the file, which can contain a token.
    const [line = ''] = problem.trim().split('\n');
    return `${label}: ${value}: ${oneLine(truncate(line, LONGEST_PROBLEM))}: must be ${allowed}`;
  });
}

const LONGEST_PROBLEM = 300;

type ConfigProblem = readonly [problem: string, allowed: string];

function configProblems(kubeconfig: string | undefined): ConfigProblem[] {
  const context = 'a kubeconfig file with a current context';
  let config: KubeConfig;
  try {
    config = loadKubeConfig(kubeconfig);
  } catch (error) {
    return [[messageOf(error), context]];
  }
  const cluster = config.getCurrentCluster();
  const user = config.getCurrentUser();
  if (!cluster) return [['the current context names no cluster', context]];
  const isHttps = URL.parse(cluster.server)?.protocol === 'https:';
  const server: ConfigProblem = [`the server is ${describeValue(cluster.server)}`, 'an https URL'];
  const files = [cluster.caFile, user?.certFile, user?.keyFile].flatMap((file) => (file ? fileProblems(file) : []));
  return isHttps ? files : [server, ...files];
}

function fileProblems(file: string): ConfigProblem[] {
  try {
    readFileSync(file);
    return [];
  } catch (error) {
    return [[messageOf(error), 'a readable file']];
  }
}

class Http1KubeConfig extends KubeConfig {
  override createDispatcherOptions(...given: Parameters<KubeConfig['createDispatcherOptions']>) {
    return overHttp1(super.createDispatcherOptions(...given));
  }
}

function loadKubeConfig(kubeconfig: string | undefined): KubeConfig {
  const config = new Http1KubeConfig();
  if (kubeconfig !== undefined) config.loadFromFile(kubeconfig);
  else if (podNamespace() !== undefined) config.loadFromCluster();
  else config.loadFromDefault();
  // If loadFromDefault finds no kubeconfig, it uses the server http://localhost:8080.
  if (config.getCurrentCluster()?.server === 'http://localhost:8080') {
    throw new Error('neither a service account nor $KUBECONFIG nor ~/.kube/config was found');
  }
  return config;
}
