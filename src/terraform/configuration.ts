import { asObject, isObject, objectsIn } from '../lib/json.ts';

export type TerraformAction = 'apply' | 'destroy';

/** The Configuration of a Job of terraform-controller, and what the Job does with it. */
export type JobConfiguration = {
  readonly action: TerraformAction;
  /** The name of the Configuration. */
  readonly name: string;
} & (
  | { readonly namespace: string }
  /** With `--controller-namespace` the Job has the uid of the Configuration, and its namespace is unknown. */
  | { readonly uid: string }
);

/**
 * The annotation of a Configuration with the time of the last retry. The change of any annotation makes
 * terraform-controller read the Configuration.
 */
export const RETRIED_AT = 'terraform.job.kb.io/retried-at';

/** The kind in commands. The short name would be ambiguous: Dapr, Knative and Crossplane have a kind Configuration too. */
export const CONFIGURATIONS = 'configurations.terraform.core.oam.dev';

const JOB_NAME = /^(.+)-(apply|destroy)$/;
const UID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/**
 * Returns the Configuration of a stored Job, or `undefined` if the Job is no Job of terraform-controller. The Job has
 * neither an owner nor a label of terraform-controller, so its name and its volumes identify it: `createTerraformJob`
 * in terraform-controller/controllers/process/process.go. The first volume has the name of the Configuration.
 */
export function configurationOf(job: unknown): JobConfiguration | undefined {
  const { metadata, spec } = asObject(job);
  const { namespace, name } = asObject(metadata);
  const { serviceAccountName, containers, volumes } = asObject(asObject(asObject(spec).template).spec);
  if (typeof namespace !== 'string' || typeof name !== 'string') return undefined;
  if (serviceAccountName !== 'tf-executor-service-account') return undefined;
  if (!objectsIn(containers).some((container) => container.name === 'terraform-executor')) return undefined;
  const [, prefix = '', action] = JOB_NAME.exec(name) ?? [];
  const [first, ...others] = objectsIn(volumes);
  const hasInput = others.some(({ configMap }) => isObject(configMap) && configMap.name === `tf-${prefix}`);
  const configuration = first?.name;
  if (!hasInput || typeof configuration !== 'string' || configuration === '') return undefined;
  const common = { action: action as TerraformAction, name: configuration };
  // Compare the name first, because a Configuration can have a uid as its name.
  if (configuration === prefix) return { ...common, namespace };
  return UID.test(prefix) ? { ...common, uid: prefix } : undefined;
}
