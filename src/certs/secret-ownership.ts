import { OperatorError } from '../lib/errors.ts';

/** The label that permits the daemon to overwrite a Secret, if its value is `terraform-daemon`. */
export const MANAGED_BY_LABEL = 'app.kubernetes.io/managed-by';
export const MANAGED_BY = { [MANAGED_BY_LABEL]: 'terraform-daemon' } as const;

interface Labelled {
  readonly labels: Readonly<Record<string, string>>;
}

/** Whether the label permits the daemon to overwrite the Secret. */
export const isOurs = ({ labels }: Labelled): boolean => labels[MANAGED_BY_LABEL] === MANAGED_BY[MANAGED_BY_LABEL];

/** Returns the error that forbids a write to a Secret without the daemon's label; `undefined` if a write is allowed. */
export function foreignProblem(stored: Labelled | undefined, reference: string): OperatorError | undefined {
  if (stored === undefined || isOurs(stored)) return undefined;
  const label = `${MANAGED_BY_LABEL}=${MANAGED_BY[MANAGED_BY_LABEL]}`;
  const [namespace, name] = reference.split('/');
  return new OperatorError(
    'SECRET_NOT_OURS',
    `Secret ${reference} has no label ${label}, so it must not be overwritten. ` +
      `To let the daemon manage this Secret: kubectl -n ${namespace} label secret ${name} ${label}. ` +
      'To keep this Secret unchanged: set --secret-name to another name, or use your own certificate with --webhook-cert-path.',
  );
}
