import { MANAGED_BY, PAUSED, ROTATE } from './certs/secret.ts';

/** What the commands are about. */
export interface Installation {
  readonly namespace: string;
  readonly secretName: string;
  /** As the Deployment is called: both have the name of the install. */
  readonly ownerClusterRole: string;
}

/** What a person types to mend something. */
export const repairCommands = ({ namespace, secretName, ownerClusterRole: deployment }: Installation) => {
  const kubectl = `kubectl -n ${namespace}`;
  const annotate = `${kubectl} annotate secret ${secretName}`;
  return {
    install: `terraform-daemon run --namespace=${namespace}`,
    restart: `${kubectl} rollout restart deployment ${deployment}`,
    stop: `${kubectl} delete deployment ${deployment}`,
    logs: `${kubectl} logs deployment/${deployment}`,
    label: `${kubectl} label --overwrite secret ${secretName} ${Object.entries(MANAGED_BY)
      .map((pair) => pair.join('='))
      .join()}`,
    unpause: `${annotate} ${PAUSED}-`,
    withdraw: `${annotate} ${ROTATE}-`,
    askRights: `kubectl auth can-i get secrets/${secretName} -n ${namespace}`,
    askRegistrationRights: (name: string) => `kubectl auth can-i get mutatingwebhookconfigurations/${name}`,
    editRegistration: (name: string) => `kubectl edit mutatingwebhookconfiguration ${name}`,
    portForward: (service: string, port: number) => `${kubectl} port-forward service/${service} 8443:${port}`,
  } as const;
};
