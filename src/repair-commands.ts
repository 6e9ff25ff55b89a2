import { MANAGED_BY, PAUSED, ROTATE } from './certs/secret.ts';

/** What the commands are about. */
export interface Installation {
  readonly namespace: string;
  readonly secretName: string;
}

/** What a person types to mend something. The Deployment is called as the daemon is. */
export const repairCommands = ({ namespace, secretName }: Installation) => {
  const kubectl = `kubectl -n ${namespace}`;
  const annotate = `${kubectl} annotate secret ${secretName}`;
  return {
    install: `terraform-daemon run --namespace=${namespace}`,
    restart: `${kubectl} rollout restart deployment terraform-daemon`,
    logs: `${kubectl} logs deployment/terraform-daemon`,
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
