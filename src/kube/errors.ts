import type { ApiException, V1Status } from '@kubernetes/client-node';
import { type ErrorCode, messageOf, OperatorError } from '../lib/errors.ts';

/**
 * Resolves with the result of a read of one object, or with `undefined` if the object does not exist.
 *
 * @param forbiddenStep see `kubeError`.
 */
export const orAbsent = <T>(call: Promise<T>, what: string, forbiddenStep?: string): Promise<T | undefined> =>
  call.catch((error) => {
    if (isNotFound(error)) return undefined;
    throw kubeError(what, error, forbiddenStep);
  });

/**
 * Resolves with `undefined` if the API server answers 404: the object does not exist, or the API server does not serve
 * this version of its kind.
 *
 * @param forbiddenStep see `kubeError`.
 */
export const orUnserved = <T>(call: Promise<T>, what: string, forbiddenStep?: string): Promise<T | undefined> =>
  call.catch((error) => {
    if (statusOf(error) === 404) return undefined;
    throw kubeError(what, error, forbiddenStep);
  });

/**
 * Waits for a conditional write. Resolves with `false` if the object was changed or deleted since it was read.
 *
 * @param forbiddenStep see `kubeError`.
 */
export const wasWritten = (call: Promise<unknown>, what: string, forbiddenStep?: string): Promise<boolean> =>
  call.then(
    () => true,
    (error) => {
      if (statusOf(error) === 409 || isNotFound(error)) return false;
      throw kubeError(what, error, forbiddenStep);
    },
  );

/**
 * Resolves with the object of a conditional write. Rejects with KUBE_CONFLICT if the object was changed or deleted
 * since it was read.
 */
export const orConflict = <T>(call: Promise<T>, what: string): Promise<T> =>
  call.catch((error) => {
    const failure = kubeError(what, error);
    throw isNotFound(error) ? new OperatorError('KUBE_CONFLICT', failure.message, { cause: error }) : failure;
  });

/**
 * Resolves with the result of a call. Rejects with an OperatorError if the call fails, also if the object does not
 * exist.
 *
 * @param forbiddenStep see `kubeError`.
 */
export const orFail = <T>(call: Promise<T>, what: string, forbiddenStep?: string): Promise<T> =>
  call.catch((error) => {
    throw kubeError(what, error, forbiddenStep);
  });

/** Returns whether the resourceVersion or continue token of a list or watch has expired (410 Gone). */
export const isExpired = (error: unknown): boolean => statusOf(error) === 410;

/** Returns whether the API server does not accept the credential (401). */
export const isUnauthorized = (error: unknown): boolean => statusOf(error) === 401;

/** Returns whether a call or a quiet watch exceeded its timeout. */
export const isTimeout = (error: unknown): boolean => error instanceof DOMException && error.name === 'TimeoutError';

/**
 * Whether the API server refused a change of the owner references. The admission plugin
 * OwnerReferencesPermissionEnforcement, which OpenShift enables, allows a change of a live object only to users who may delete it.
 */
export const isOwnerRefused = (error: unknown): boolean =>
  error instanceof OperatorError && !!messageIn(error.cause)?.includes('cannot set an ownerRef');

/**
 * Returns the error of a failed call, with an error code, the API server's message and, if there is one, a next step.
 *
 * @param forbiddenStep the next step if the user has no right. Default: the manifests with the rights of the daemon.
 */
export function kubeError(what: string, error: unknown, forbiddenStep = NO_RIGHT): OperatorError {
  const status = statusOf(error);
  const message = messageIn(error);
  const found = status === undefined ? networkMessage(error) : (message ?? `HTTP ${status}`);
  // The API server answers 500 to an apply with an unknown field. A retry would get the same answer.
  const isTooOld = !!message?.includes('field not declared in schema');
  const code = isTooOld ? 'KUBE_REJECTED' : kubeCode(status, message);
  const step = isTooOld ? TOO_OLD : nextStep(status, message, forbiddenStep);
  return new OperatorError(code, `cannot ${what}: ${found}${step}`, { cause: error });
}

const TOO_OLD =
  ' (this Kubernetes is too old: the daemon needs version 1.30 or later; to see the version: kubectl version)';
const UNKNOWN_USER =
  ' (the API server does not accept the credentials: correct the user in the kubeconfig; in a Pod, the ServiceAccount may have been created again: kubectl rollout restart deployment/terraform-daemon)';
const UNDECRYPTABLE =
  ' (the API server cannot decrypt the stored object: restore its encryption key, or remove the object from etcd)';
const NO_RIGHT =
  ' (the user needs the rights in manifests/base/rbac.yaml; with the default names: kubectl apply -f manifests/base/rbac.yaml)';

function nextStep(status: number | undefined, message: string | undefined, forbiddenStep: string): string {
  if (status === 401) return UNKNOWN_USER;
  // The messages with which the API server reports a stored object that it cannot decrypt: its encryption key is lost
  // (apiserver, pkg/storage/value), or no encryption is configured any more (apiserver,
  // pkg/storage/value/encrypt/identity).
  if (status === 500 && /unable to transform key|encrypted data/.test(message ?? '')) return UNDECRYPTABLE;
  return status === 403 && isByRights(message) ? forbiddenStep : '';
}

/**
 * Returns whether a 403 comes from authorization. Admission also answers 403 (a quota, a policy, a namespace that is
 * being deleted), which no RBAC rule can fix. Messages: apiserver, pkg/endpoints/handlers/responsewriters/errors.go.
 */
const isByRights = (message: string | undefined): boolean =>
  message === undefined || / is forbidden: User "/.test(message) || /^forbidden: /i.test(message);

/**
 * Returns whether the object does not exist. Other 404s mean a missing namespace, or a wrong path in the kubeconfig's
 * server.
 */
function isNotFound(error: unknown): boolean {
  const { reason, details } = statusBody(error);
  const isObjectMissing = reason === 'NotFound' && details?.name !== undefined && details.kind !== 'namespaces';
  return statusOf(error) === 404 && isObjectMissing;
}

/** Returns the HTTP status of a client error: `code` for a call, `statusCode` for a watch. */
function statusOf(error: unknown): number | undefined {
  if (!(error instanceof Error)) return undefined;
  const { code, statusCode } = error as Partial<ApiException<unknown>> & { statusCode?: unknown };
  // The code of a DOMException is below 100, so it is not an HTTP status.
  return [code, statusCode].find((status): status is number => typeof status === 'number' && status >= 100);
}

/** Returns the API server's message. The exception's own message would contain all headers, and the body twice. */
function messageIn(error: unknown): string | undefined {
  const { message }: { readonly message?: unknown } = statusBody(error);
  return typeof message === 'string' ? message : undefined;
}

/**
 * Returns the response body as a Status, or an empty object.
 * https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/status/
 */
function statusBody(error: unknown): Partial<V1Status> {
  const body = error instanceof Error ? (error as Partial<ApiException<unknown>>).body : undefined;
  const parsed = typeof body === 'string' ? parseJson(body) : body;
  return typeof parsed === 'object' && parsed !== null ? parsed : {};
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Adds the cause, because the message of fetch is only "fetch failed". */
function networkMessage(error: unknown): string {
  const cause = error instanceof Error ? error.cause : undefined;
  return cause === undefined ? messageOf(error) : `${messageOf(error)}: ${messageOf(cause)}`;
}

function kubeCode(status: number | undefined, message: string | undefined): ErrorCode {
  if (status === 401 || (status === 403 && isByRights(message))) return 'KUBE_FORBIDDEN';
  if (status === 409) return 'KUBE_CONFLICT';
  const isOurFault = status !== undefined && status >= 400 && status < 500 && status !== 429;
  return isOurFault ? 'KUBE_REJECTED' : 'KUBE_UNAVAILABLE';
}
