import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import express from 'express';
import { errorFields, OperatorError } from '../lib/errors.ts';
import type { Log } from '../lib/log.ts';
import { truncate, truncateFields } from '../lib/text.ts';
import { type Decision, decide } from '../policy/decide.ts';
import type { Policy } from '../policy/policy.ts';
import type { Change } from '../policy/setting-fields.ts';
import { createBodyReader, type Refusal } from './body.ts';
import { applyPatch, patchOf } from './patch.ts';
import { warnQuietly } from './refused-connections.ts';
import {
  type AdmissionRequest,
  type AdmissionResponse,
  allowed,
  patched,
  readReview,
  refused,
  toReview,
} from './review.ts';

const MIB = 1024 * 1024;

/**
 * etcd takes requests of up to 1.5 MiB. Go's JSON writes each `<`, `>` and `&` in six bytes, so that the Job in one may
 * be 9 MiB in a review; on UPDATE there are two of them, old and new, and 2 MiB are left for what is around them.
 */
const BODY_BYTES = 20 * MIB;

/**
 * A Job of terraform-controller has some hundred; one of 1.5 MiB whose values take ten bytes each has 300,000, old and new.
 * Each costs up to 200 bytes of memory: without a bound one body of `[],[],…` ends the process.
 */
const BODY_VALUES = 400_000;

const JSON_TYPE = 'application/json';

/** Three of the largest at once, or some thousand ordinary ones. */
const ALL_BODIES_BYTES = 64 * MIB;

/** How a request ended, for logs and metrics. */
export type Outcome = 'capped' | 'allowed' | 'refused' | 'malformed' | 'busy' | 'error';

export interface AppDependencies {
  readonly path: string;
  /** The one in force, asked for each request: it may change while the endpoint serves. */
  readonly policy: () => Policy;
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
 * | a body of more than 20 MiB, or of more than 400,000 values | 413 | text |
 * | a large body while there are too many of them | 503 | text, `Retry-After`: the API server comes again |
 * | no JSON object, or no AdmissionReview v1 with a uid | 400 | text |
 * | not a Job, or neither CREATE nor UPDATE | 200 | allowed |
 * | an object that cannot be read as a Job | 200 | not allowed, status 400, message |
 * | a Job that no rule of the policy matches, or that is opted out | 200 | allowed |
 * | a Job that has ended or is being deleted | 200 | allowed |
 * | a Job that runs once already | 200 | allowed |
 * | a Job that would be retried | 200 | allowed with JSON Patch, warning, audit annotations |
 * | our own fault | 500 | text: failurePolicy decides, we never deny a Job for a bug of ours |
 */
export function createApp(dependencies: AppDependencies): RequestListener {
  const { log, observe } = dependencies;
  const refusing = { warn: warnQuietly(log), log, observe };
  const readBody = createBodyReader({ oneBytes: BODY_BYTES, values: BODY_VALUES, allBytes: ALL_BODIES_BYTES });
  const app = express();
  app.disable('x-powered-by');
  app.disable('etag');
  // Else express prints stacks, and puts them into the answer.
  app.set('env', 'production');
  app.enable('case sensitive routing');
  app.enable('strict routing');
  app.set('query parser', false);
  // One handler, as each further one costs a turn of the router.
  app.all(dependencies.path, (request, response) => {
    if (request.method !== 'POST') {
      response.setHeader('Allow', 'POST');
      return sendText(response, 405, `method: found ${request.method}; allowed is POST`);
    }
    if (!mayBeJson(request)) {
      const found = request.headers['content-type'] ?? 'nothing';
      return sendText(response, 415, `Content-Type: found ${found}; allowed is application/json`);
    }
    return readBody(request)
      .then((body) => ('json' in body ? answer(body.json, response, dependencies) : refuse(body, response, refusing)))
      .catch((error: unknown) => answerError(error, response, refusing));
  });
  app.use((_request, response) => sendText(response, 404, `the endpoint is ${dependencies.path}`));
  return app;
}

/** A request without a body is for the reader of the review to refuse. */
function mayBeJson({ headers }: IncomingMessage): boolean {
  const type = headers['content-type'] ?? '';
  const hasBody = headers['content-length'] !== undefined || headers['transfer-encoding'] !== undefined;
  return type === JSON_TYPE || !hasBody || /^application\/json[ \t]*(?:;|$)/i.test(type);
}

function answer(body: unknown, response: ServerResponse, dependencies: AppDependencies): void {
  const startMs = performance.now();
  const request = readReview(body);
  const decision = decide(request, dependencies.policy());
  const text = JSON.stringify(toReview(toResponse(request, decision)));
  // Before the answer: a failure here can still be answered with 500.
  logDecision(request, decision, dependencies);
  send(response, { status: 200, type: JSON_TYPE, text });
  dependencies.observe(outcomeOf[decision.action], (performance.now() - startMs) / 1000);
}

const outcomeOf = { cap: 'capped', allow: 'allowed', refuse: 'refused' } as const;

function logDecision(request: AdmissionRequest, decision: Decision, { log }: AppDependencies): void {
  const subject = subjectOf(request);
  if (decision.action === 'cap') {
    log.info('job capped', truncateFields({ ...subject, rule: decision.rule, ...fromFields(decision.changes) }));
  } else if (decision.action === 'refuse') {
    log.warn('job refused', truncateFields({ ...subject, problem: decision.problem }));
  } else {
    log.debug('job allowed', truncateFields({ ...subject, reason: decision.reason }));
  }
}

function toResponse({ uid, object }: AdmissionRequest, decision: Decision): AdmissionResponse {
  if (decision.action === 'allow') return allowed(uid);
  if (decision.action === 'refuse') return refused(uid, decision.problem);
  const changes = decision.changes.map(({ field, from, to }) => `${field} ${printable(from)} -> ${to}`);
  const patch = patchOf(decision.changes);
  applyPatch(object, patch);
  return patched(uid, patch, {
    warning: `terraform-daemon: ${effectOf(decision.result)} (${changes.join(', ')})`,
    auditAnnotations: { rule: decision.rule, changes: changes.join(', ') },
  });
}

/** A policy may leave some retries, and on UPDATE the Pod template is as it is. */
function effectOf({ backoffLimit, restartPolicy }: Extract<Decision, { action: 'cap' }>['result']): string {
  if (backoffLimit !== 0) return 'the retries of this Job are limited';
  return restartPolicy === 'Never' ? 'this Job runs once' : 'this Job is not retried, but may run twice';
}

/** A value that the client wrote, fit for a warning: the API server drops one with control characters. */
const printable = (value: Change['from']): string =>
  value === undefined || value === null ? 'unset' : truncate(String(value), 20).replace(/[^\w.+-]/g, '?');

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

interface Refusing {
  readonly warn: ReturnType<typeof warnQuietly>;
  readonly log: Log;
  readonly observe: AppDependencies['observe'];
}

/** What is no admission request, or has no place now. Nothing in it was decided. */
function refuse({ status, problem }: Refusal, response: ServerResponse, { warn, observe }: Refusing): void {
  if (status === 503) {
    warn('admission request turned away', { status, error: problem });
    observe('busy');
    // The API server comes again after that time, up to ten times: by then another replica may take its connection.
    response.setHeader('Retry-After', '1').setHeader('Connection', 'close');
  } else {
    warn('malformed admission request', truncateFields({ code: 'REVIEW_MALFORMED', status, error: problem }));
    observe('malformed');
  }
  sendText(response, status, problem);
}

/** Answers after an error: the review cannot be read, or the fault is our own. */
function answerError(error: unknown, response: ServerResponse, refusing: Refusing): void {
  if (error instanceof OperatorError && error.code === 'REVIEW_MALFORMED') {
    refuse({ status: 400, problem: error.message }, response, refusing);
  } else {
    refusing.log.error('cannot answer an admission request', errorFields(error));
    refusing.observe('error');
    sendText(response, 500, 'internal error');
  }
}

const sendText = (response: ServerResponse, status: number, text: string): void =>
  send(response, { status, type: 'text/plain; charset=utf-8', text: `${text}\n` });

interface Answer {
  readonly status: number;
  readonly type: string;
  readonly text: string;
}

/** Not `response.send` of express, which looks up types and compares with what a browser has kept. */
function send(response: ServerResponse, { status, type, text }: Answer): void {
  response.writeHead(status, { 'Content-Type': type, 'Content-Length': Buffer.byteLength(text) });
  response.end(response.req.method === 'HEAD' ? '' : text);
}
