/**
 * The codes of the expected failures. docs/how-to/troubleshoot.md has a row for each code; a test compares the two
 * lists.
 */
export const errorCodes = [
  'CONFIG_INVALID',
  'CERTIFICATE_ISSUE_FAILED',
  'CERTIFICATE_FILES_INVALID',
  'POLICY_INVALID',
  'CLIENT_CA_INVALID',
  'SECRET_NOT_OURS',
  'SECRET_DELETING',
  'WRITES_PAUSED',
  'KUBE_FORBIDDEN',
  'KUBE_REJECTED',
  'KUBE_CONFLICT',
  'KUBE_UNAVAILABLE',
  'REVIEW_MALFORMED',
  'SERVER_LISTEN_FAILED',
] as const;

export type ErrorCode = (typeof errorCodes)[number];

/** Codes after which callers may always repeat the call. */
const retryableCodes: readonly ErrorCode[] = ['SECRET_DELETING', 'WRITES_PAUSED', 'KUBE_CONFLICT', 'KUBE_UNAVAILABLE'];

/** An expected failure. Callers branch on `code` and `retryable`, never on the text. */
export class OperatorError extends Error {
  override readonly name = 'OperatorError';
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }

  get retryable(): boolean {
    return retryableCodes.includes(this.code);
  }
}

/** Returns whether the API server has refused a call because of a missing right. */
export const isForbidden = (error: unknown): boolean =>
  error instanceof OperatorError && error.code === 'KUBE_FORBIDDEN';

/** Returns the message of any thrown value. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Returns an error as log fields. An unexpected error is a bug, so its stack is included. */
export function errorFields(error: unknown): object {
  if (error instanceof OperatorError) return { code: error.code, error: error.message };
  return { error: messageOf(error), ...(error instanceof Error ? { stack: error.stack } : {}) };
}
