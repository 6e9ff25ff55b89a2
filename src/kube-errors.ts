import type { ApiException } from '@kubernetes/client-node';
import { type ErrorCode, messageOf, OperatorError } from './errors.ts';

/** Awaits a call about an object; a missing one is an answer. */
export async function orAbsent<T>(call: Promise<T>, what: string): Promise<T | undefined> {
  try {
    return await call;
  } catch (error) {
    if (statusOf(error) === 404) return undefined;
    throw kubeError(what, error);
  }
}

/** Awaits a conditional write; a stale or vanished object is a lost race, told as `false`. */
export async function wasWritten(call: Promise<unknown>, what: string): Promise<boolean> {
  try {
    await call;
    return true;
  } catch (error) {
    if (statusOf(error) === 409 || isObjectGone(error)) return false;
    throw kubeError(what, error);
  }
}

/** Awaits a call that has to succeed. */
export async function orFail<T>(call: Promise<T>, what: string): Promise<T> {
  try {
    return await call;
  } catch (error) {
    throw kubeError(what, error);
  }
}

/** The error of a failed call, in the API server's own words and with the code that says what to do about it. */
export function kubeError(what: string, error: unknown): OperatorError {
  const code = kubeCode(statusOf(error));
  const next = code === 'KUBE_FORBIDDEN' ? ' (compare the rights of this user with manifests/rbac.yaml)' : '';
  return new OperatorError(code, `cannot ${what}: ${statusMessage(error)}${next}`, { cause: error });
}

/** A missing namespace is a 404 as well, but trying again does not help there. */
const isObjectGone = (error: unknown): boolean =>
  statusOf(error) === 404 && !/namespaces? "/.test(statusMessage(error));

/** The HTTP status of what the client throws: an `ApiException` for a call, an error with `statusCode` for a watch. */
function statusOf(error: unknown): number | undefined {
  if (!(error instanceof Error)) return undefined;
  const { code, statusCode } = error as Partial<ApiException<unknown>> & { statusCode?: unknown };
  return [code, statusCode].find((status) => typeof status === 'number');
}

/** The API server's own words: the whole exception would carry every header and the body twice. */
function statusMessage(error: unknown): string {
  const status = statusOf(error);
  if (status === undefined) return networkMessage(error);
  const body = parsed((error as Partial<ApiException<unknown>>).body);
  const message = typeof body === 'object' && body !== null && 'message' in body ? body.message : undefined;
  return typeof message === 'string' ? message : `HTTP ${status}`;
}

const parsed = (body: unknown): unknown => {
  if (typeof body !== 'string') return body;
  try {
    return JSON.parse(body);
  } catch {
    return undefined;
  }
};

/** fetch says "fetch failed" and keeps what happened in the cause. */
function networkMessage(error: unknown): string {
  const cause = error instanceof Error ? error.cause : undefined;
  return cause === undefined ? messageOf(error) : `${messageOf(error)}: ${messageOf(cause)}`;
}

function kubeCode(status: number | undefined): ErrorCode {
  if (status === 401 || status === 403) return 'KUBE_FORBIDDEN';
  if (status === 409) return 'KUBE_CONFLICT';
  const isOurFault = status !== undefined && status >= 400 && status < 500 && status !== 429;
  return isOurFault ? 'KUBE_REJECTED' : 'KUBE_UNAVAILABLE';
}
