import { PAUSED, ROTATE } from '../certs/secret-annotations.ts';
import { MANAGED_BY, MANAGED_BY_LABEL } from '../certs/secret-ownership.ts';
import type { Config, RawOptions } from '../cli/config.ts';
import { type OptionDefinition, type OptionName, options } from '../cli/options.ts';
import { shellWord as word } from '../lib/text.ts';

/**
 * The names in the proposed commands. In the manifests and the chart, the Deployment has the same name as the
 * ClusterRole.
 */
export type Installation = Pick<Config, 'namespace' | 'secretName' | 'ownerClusterRole'>;

/** Returns a command of kubectl or of terraform-daemon for the cluster of this kubeconfig, so that a pasted command does not use another cluster. */
export const withKubeconfig = (command: string, kubeconfig: string | undefined): string =>
  kubeconfig === undefined ? command : `${command} --kubeconfig ${word(kubeconfig)}`;

/** The next step if nothing of the daemon is in the cluster. */
export const INSTALL_STEP = 'To install the daemon, run terraform-daemon check --pre first (docs/how-to/install.md)';

interface ObjectName {
  readonly namespace: string;
  readonly name: string;
}

/**
 * Returns the command that calls the endpoint at the address. It repeats the shared options that are not the defaults:
 * without them it would compare the install with other names.
 */
export const inspectCommand = (address: string, raw: RawOptions): string => {
  const given = Object.entries(raw).filter(([name, value]) => {
    const { default: standard }: OptionDefinition<unknown> = options[name as OptionName];
    return value !== '' && value !== standard;
  });
  return [
    'terraform-daemon inspect',
    ...given.map(([name, value]) => `--${name}=${word(value)}`),
    `--address ${address}`,
  ].join(' ');
};

/** Returns the shell commands that messages propose to the user, with the names of this install. */
export const repairCommands = ({ namespace, secretName, ownerClusterRole: deployment }: Installation) => {
  const kubectlIn = (where: string) => `kubectl -n ${word(where)}`;
  const kubectl = kubectlIn(namespace);
  const annotate = `${kubectl} annotate secret ${word(secretName)}`;
  return {
    /** Shows in which namespace a daemon is installed, and whether its Pods run. */
    findPods: `kubectl get pods -A -l ${word(`app=${deployment}`)}`,
    restart: `${kubectl} rollout restart deployment ${word(deployment)}`,
    pods: `${kubectl} get pods -l ${word(`app=${deployment}`)}`,
    logs: `${kubectl} logs ${word(`deployment/${deployment}`)}`,
    label: `${kubectl} label --overwrite secret ${word(secretName)} ${MANAGED_BY_LABEL}=${MANAGED_BY[MANAGED_BY_LABEL]}`,
    unpause: `${annotate} ${PAUSED}-`,
    withdraw: `${annotate} ${ROTATE}-`,
    askRights: `kubectl auth can-i get ${word(`secrets/${secretName}`)} -n ${word(namespace)}`,
    askRegistrationRights: (name: string) => `kubectl auth can-i get ${word(`mutatingwebhookconfigurations/${name}`)}`,
    getSecret: `${kubectl} get secret ${word(secretName)}`,
    getRegistration: (name: string) => `kubectl get mutatingwebhookconfiguration ${word(name)}`,
    deleteRegistration: (name: string) => `kubectl delete mutatingwebhookconfiguration ${word(name)}`,
    editRegistration: (name: string) => `kubectl edit mutatingwebhookconfiguration ${word(name)}`,
    portForward: (service: ObjectName & { readonly port: number }) =>
      `${kubectlIn(service.namespace)} port-forward ${word(`service/${service.name}`)} 8443:${service.port}`,
  } as const;
};
