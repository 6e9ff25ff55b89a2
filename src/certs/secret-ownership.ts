import { OperatorError } from '../lib/errors.ts';

/** The label that permits the daemon to overwrite a Secret, if its value is `terraform-daemon`. */
export const MANAGED_BY_LABEL = 'app.kubernetes.io/managed-by';
export const MANAGED_BY = { [MANAGED_BY_LABEL]: 'terraform-daemon' } as const;

/** Labels and annotations of an object. */
export interface ObjectMetadata {
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}

/** The Secret, as far as these functions read it. */
interface Owned {
  readonly labels: Readonly<Record<string, string>>;
  readonly deletionWaitsFor?: readonly string[] | undefined;
}

/**
 * Whether the Secret has the label `app.kubernetes.io/managed-by=terraform-daemon`. The daemon writes a Secret without
 * this label only if API servers trust its certificate (docs/adr/0025).
 */
export const isOurs = ({ labels }: Owned): boolean => labels[MANAGED_BY_LABEL] === MANAGED_BY[MANAGED_BY_LABEL];

/** Returns the error that forbids a write to a Secret without the daemon's label; `undefined` if a write is allowed. */
export function foreignProblem(stored: Owned | undefined, reference: string): OperatorError | undefined {
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

/** Returns the error that forbids a write to a Secret that is being deleted: the write would be lost with it. */
export function deletionProblem(stored: Owned | undefined, reference: string): OperatorError | undefined {
  if (stored?.deletionWaitsFor === undefined) return undefined;
  const [namespace, name] = reference.split('/');
  return new OperatorError(
    'SECRET_DELETING',
    `Secret ${reference} must be written, but it is being deleted and waits for the finalizers ` +
      `${stored.deletionWaitsFor.join(', ')}. If their controller does not remove them: ` +
      `kubectl -n ${namespace} patch secret ${name} --type=merge -p '{"metadata":{"finalizers":null}}'`,
  );
}
