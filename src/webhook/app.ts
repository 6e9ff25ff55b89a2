import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import express from 'express';
import { errorFields, OperatorError } from '../lib/errors.ts';
import type { Log } from '../lib/log.ts';
import { truncateFields } from '../lib/text.ts';
import { type Decision, decide } from '../policy/decide.ts';
import type { Policy } from '../policy/policy.ts';
import { createBodyReader, type Refusal } from './body.ts';
import { warnQuietly } from './refused-connections.ts';
import { toResponse } from './response.ts';
import { type AdmissionRequest, readReview, toReview } from './review.ts';

const JSON_TYPE = 'application/json';

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
  const endpoint = { ...dependencies, warn: warnQuietly(dependencies.log) };
  const readBody = createBodyReader();
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
      .then((body) => ('json' in body ? answer(body.json, response, endpoint) : refuse(body, response, endpoint)))
      .catch((error: unknown) => answerError(error, response, endpoint));
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

function answer(body: unknown, response: ServerResponse, { policy, log, observe }: AppDependencies): void {
  const startMs = performance.now();
  const request = readReview(body);
  const decision = decide(request, policy());
  const text = JSON.stringify(toReview(toResponse(request, decision)));
  // Before the answer: a failure here can still be answered with 500.
  logDecision(request, decision, log);
  send(response, 200, text);
  observe(outcomeOf[decision.action], (performance.now() - startMs) / 1000);
}

const outcomeOf = { cap: 'capped', allow: 'allowed', refuse: 'refused' } as const;

function logDecision(request: AdmissionRequest, decision: Decision, log: Log): void {
  const { uid, namespace, name, operation, isDryRun } = request;
  const subject = { namespace, name, operation, uid, ...(isDryRun ? { dryRun: true } : {}) };
  if (decision.action === 'cap') {
    // The values before the change, because the policy has the values after it.
    const from = Object.fromEntries(decision.changes.map((change) => [change.field, change.from ?? null]));
    log.info('job capped', truncateFields({ ...subject, rule: decision.rule, ...from }));
  } else if (decision.action === 'refuse') {
    log.warn('job refused', truncateFields({ ...subject, problem: decision.problem }));
  } else {
    log.debug('job allowed', truncateFields({ ...subject, reason: decision.reason }));
  }
}

interface Endpoint extends AppDependencies {
  readonly warn: ReturnType<typeof warnQuietly>;
}

/** What is no admission request, or has no place now. Nothing in it was decided. */
function refuse({ status, problem }: Refusal, response: ServerResponse, { warn, observe }: Endpoint): void {
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
function answerError(error: unknown, response: ServerResponse, endpoint: Endpoint): void {
  if (error instanceof OperatorError && error.code === 'REVIEW_MALFORMED') {
    refuse({ status: 400, problem: error.message }, response, endpoint);
  } else {
    endpoint.log.error('cannot answer an admission request', errorFields(error));
    endpoint.observe('error');
    sendText(response, 500, 'internal error');
  }
}

const sendText = (response: ServerResponse, status: number, text: string): void => send(response, status, `${text}\n`);

/** Not `response.send` of express, which looks up types and compares with what a browser has kept. */
function send(response: ServerResponse, status: number, text: string): void {
  const type = status === 200 ? JSON_TYPE : 'text/plain; charset=utf-8';
  response.writeHead(status, { 'Content-Type': type, 'Content-Length': Buffer.byteLength(text) });
  response.end(response.req.method === 'HEAD' ? '' : text);
}
