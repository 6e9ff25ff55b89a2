import express, { type ErrorRequestHandler, type Express, type RequestHandler, type Response } from 'express';
import { errorFields, messageOf, OperatorError } from '../errors.ts';
import type { Log } from '../log.ts';
import type { Policy } from '../policy.ts';
import { type Change, type Decision, decide } from './cap-retries.ts';
import { patchBetween } from './patch.ts';
import {
  type AdmissionRequest,
  type AdmissionResponse,
  allowed,
  patched,
  readReview,
  refused,
  toReview,
} from './review.ts';

/** The API server takes objects of up to 3 MiB: old and new, and 1 MiB around them. */
const BODY_LIMIT_BYTES = 7 * 1024 * 1024;

/** How a request ended, for logs and metrics. */
export type Outcome = 'capped' | 'allowed' | 'refused' | 'malformed' | 'error';

export interface AppDependencies {
  readonly path: string;
  readonly policy: Policy;
  readonly log: Log;
  /** Told once for each JSON body, with the time from there to the answer where it came to a decision. */
  readonly observe: (outcome: Outcome, seconds?: number) => void;
}

/**
 * The endpoint. It answers:
 *
 * | request | HTTP | answer |
 * | --- | --- | --- |
 * | another path | 404 | text |
 * | another method than POST | 405 | text, `Allow: POST` |
 * | another content type than JSON | 415 | text |
 * | a body of more than 7 MiB | 413 | text |
 * | no JSON, or no AdmissionReview v1 with a uid | 400 | text |
 * | not a Job, or neither CREATE nor UPDATE | 200 | allowed |
 * | an object that cannot be read as a Job | 200 | not allowed, status 400, message |
 * | not a Job of terraform-controller | 200 | allowed |
 * | a Job that has ended or is being deleted | 200 | allowed |
 * | a Job that runs once already | 200 | allowed |
 * | a Job that would be retried | 200 | allowed with JSON Patch, warning, audit annotations |
 * | our own fault | 500 | text: failurePolicy decides, we never deny a Job for a bug of ours |
 */
export function createApp(dependencies: AppDependencies): Express {
  const app = express();
  app.disable('x-powered-by');
  app.disable('etag');
  // Else express prints stacks, and puts them into the answer.
  app.set('env', 'production');
  app.enable('case sensitive routing');
  app.enable('strict routing');
  app.set('query parser', false);
  app.all(
    dependencies.path,
    requirePost,
    requireJson,
    express.json({ limit: BODY_LIMIT_BYTES, strict: false, inflate: false }),
    (request, response) => answer(request.body, response, dependencies),
  );
  app.use((_request, response) => sendText(response, 404, `the endpoint is ${dependencies.path}`));
  app.use(answerError(dependencies));
  return app;
}

const requirePost: RequestHandler = (request, response, next) => {
  if (request.method === 'POST') next();
  else sendText(response.set('Allow', 'POST'), 405, `method: found ${request.method}; allowed is POST`);
};

const requireJson: RequestHandler = (request, response, next) => {
  // `null` is a request without a body, which is for the reader of the review to refuse.
  if (request.is('application/json') !== false) next();
  else
    sendText(
      response,
      415,
      `Content-Type: found ${request.get('Content-Type') ?? 'nothing'}; allowed is application/json`,
    );
};

function answer(body: unknown, response: Response, dependencies: AppDependencies): void {
  const start = performance.now();
  const request = readReview(body);
  const decision = decide(request, dependencies.policy);
  const review = toReview(toResponse(request, decision, dependencies.policy));
  // Before the answer: what fails here can still be answered with 500.
  logDecision(request, decision, dependencies);
  response.json(review);
  dependencies.observe(outcomes[decision.action], (performance.now() - start) / 1000);
}

const outcomes = { cap: 'capped', allow: 'allowed', refuse: 'refused' } as const;

function logDecision(request: AdmissionRequest, decision: Decision, { policy, log }: AppDependencies): void {
  const subject = subjectOf(request);
  if (decision.action === 'cap') {
    log.info('job capped', { ...subject, rule: policy.rule, ...fromFields(decision.changes) });
  } else if (decision.action === 'refuse') {
    log.warn('job refused', { ...subject, problem: decision.problem });
  } else {
    log.debug('job allowed', { ...subject, reason: decision.reason });
  }
}

function toResponse({ uid }: AdmissionRequest, decision: Decision, policy: Policy): AdmissionResponse {
  if (decision.action === 'allow') return allowed(uid);
  if (decision.action === 'refuse') return refused(uid, decision.problem);
  const changes = decision.changes.map(({ field, from, to }) => `${field} ${printable(from)} -> ${to}`);
  return patched(uid, patchBetween(decision.job, decision.wanted), {
    warning: `terraform-daemon: this Job runs once (${changes.join(', ')})`,
    auditAnnotations: { rule: policy.rule, changes: changes.join(', ') },
  });
}

/** A value that the client wrote, fit for a warning: the API server drops one with control characters. */
const printable = (value: Change['from']): string =>
  value === undefined || value === null
    ? 'unset'
    : String(value)
        .replace(/[^\w.+-]/g, '?')
        .slice(0, 20);

const subjectOf = ({ uid, namespace, name, operation, isDryRun }: AdmissionRequest): object => ({
  namespace,
  name,
  operation,
  uid,
  ...(isDryRun ? { dryRun: true } : {}),
});

/** The values before the change; what they become is the policy. */
const fromFields = (changes: readonly Change[]): object =>
  Object.fromEntries(changes.map(({ field, from }) => [field, from ?? null]));

/** Everything that was thrown on the way. What express' body parser throws carries the HTTP status it means. */
function answerError({ log, observe }: AppDependencies): ErrorRequestHandler {
  return (error, _request, response, _next) => {
    const status = statusOf(error);
    if (status === 500) {
      log.error('cannot answer an admission request', errorFields(error));
      observe('error');
      sendText(response, 500, 'internal error');
      return;
    }
    log.warn('malformed admission request', { code: 'REVIEW_MALFORMED', status, error: messageOf(error) });
    observe('malformed');
    sendText(response, status, messageOf(error));
  };
}

function statusOf(error: unknown): number {
  if (error instanceof OperatorError) return error.code === 'REVIEW_MALFORMED' ? 400 : 500;
  const status = error instanceof Error && 'status' in error ? Number(error.status) : 500;
  return status >= 400 && status < 500 ? status : 500;
}

function sendText(response: Response, status: number, text: string): void {
  response.status(status).type('text/plain').send(`${text}\n`);
}
