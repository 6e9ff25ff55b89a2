import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { setImmediate as turnOfTheLoop } from 'node:timers/promises';
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

/** The result of an admission request: the value of the metric label `outcome`. */
export type Outcome = 'patched' | 'allowed' | 'refused' | 'malformed' | 'busy' | 'error';

export interface AppDependencies {
  readonly path: string;
  /** Returns the current policy. Called for each request, because the policy can change. */
  readonly policy: () => Policy;
  readonly log: Log;
  /**
   * Called once for each POST request that can contain JSON. `seconds` is the time to decide and respond; absent if
   * there was no decision.
   */
  readonly observe: (outcome: Outcome, seconds?: number) => void;
}

/**
 * The endpoint. It answers:
 *
 * | request | HTTP | answer |
 * | --- | --- | --- |
 * | another path | 404 | text |
 * | another method than POST | 405 | text, `Allow: POST` |
 * | another content type than JSON, another charset than UTF-8, or a compressed body | 415 | text |
 * | a body of more than 20 MiB, or with more than about 400,000 JSON values | 413 | text |
 * | a large body while the endpoint receives too many of them | 503 | text, `Retry-After`: the API server retries |
 * | a body that is not a JSON object or not an AdmissionReview v1 with a uid | 400 | text |
 * | not a Job, or neither CREATE nor UPDATE | 200 | allowed |
 * | an object that cannot be read as a Job | 200 | not allowed, status 400, message |
 * | a Job that no rule of the policy matches, that is opted out or that is being deleted | 200 | allowed |
 * | a Job within the limits of the policy | 200 | allowed |
 * | a Job over the limits of the policy | 200 | allowed with JSON Patch, warnings, audit annotations |
 * | an UPDATE in which only the stored restartPolicy is put back | 200 | the same without warnings |
 * | any, after an internal error | 500 | text: the API server applies the failurePolicy |
 */
export function createApp(dependencies: AppDependencies): RequestListener {
  const { path } = dependencies;
  const endpoint = { ...dependencies, readBody: createBodyReader(), warn: warnQuietly(dependencies.log) };
  const handle: RequestListener = (request, response) => {
    review(request, response, endpoint)
      .catch((error: unknown) => answerError(error, response, endpoint))
      // An error of the log or of the metrics must not end the process.
      .catch(() => response.destroy());
  };
  const app = express();
  app.disable('x-powered-by');
  app.disable('etag');
  // Outside of `production`, express logs stack traces and sends them to the client.
  app.set('env', 'production');
  app.enable('case sensitive routing');
  app.enable('strict routing');
  app.set('query parser', false);
  app.all(path, handle);
  app.use((_request, response) => sendText(response, 404, `the endpoint is ${path}`));
  // The API server always sends the path in this form. Express changes the prototype of each request and runs its
  // router, which takes 6 % of the CPU of a review.
  return (request, response) => (request.url?.split('?', 1)[0] === path ? handle : app)(request, response);
}

async function review(request: IncomingMessage, response: ServerResponse, endpoint: Endpoint): Promise<void> {
  if (request.method !== 'POST') {
    response.setHeader('Allow', 'POST');
    return sendText(response, 405, `method: invalid value ${request.method}: must be POST`);
  }
  if (!mayBeJson(request)) {
    const type = request.headers['content-type'];
    const problem = type === undefined ? 'required' : `invalid value ${type}`;
    return sendText(response, 415, `Content-Type: ${problem}: must be application/json`);
  }
  const answer = await readAndDecide(request, endpoint);
  if ('problem' in answer) return refuse(answer, response, endpoint);
  const { text, outcome, startMs } = answer;
  // Requests that arrive together are all decided before the first answer is sent. This takes a third less CPU, because
  // the code of each step stays in the caches of the processor, and a client with several requests wakes up once.
  await turnOfTheLoop();
  send(response, 200, text);
  endpoint.observe(outcome, (performance.now() - startMs) / 1000);
}

/**
 * Returns whether the body can be JSON. Returns true without a body, so that the body reader refuses the request with a
 * better message.
 */
function mayBeJson({ headers }: IncomingMessage): boolean {
  const type = headers['content-type'] ?? '';
  const hasBody = headers['content-length'] !== undefined || headers['transfer-encoding'] !== undefined;
  return type === JSON_TYPE || !hasBody || /^application\/json[ \t]*(?:;|$)/i.test(type);
}

/**
 * Reads a review and decides about it. A function of its own, because the caller waits before it sends the answer, and
 * the variables of an async function keep their objects in memory while it waits.
 */
async function readAndDecide(request: IncomingMessage, endpoint: Endpoint) {
  const body = await endpoint.readBody(request);
  return 'problem' in body ? body : answer(body.json, endpoint);
}

/** Decides about a review, logs the decision, and returns the answer. */
function answer(body: unknown, { policy, log }: AppDependencies) {
  const startMs = performance.now();
  const request = readReview(body);
  const decision = decide(request, policy());
  const text = JSON.stringify(toReview(toResponse(request, decision)));
  // Log before the answer is sent, because the endpoint can still answer 500 if logging fails.
  logDecision(request, decision, log);
  return { text, outcome: outcomeOf[decision.action], startMs };
}

const outcomeOf = { cap: 'patched', keep: 'patched', allow: 'allowed', refuse: 'refused' } as const;

function logDecision(request: AdmissionRequest, decision: Decision, log: Log): void {
  const { uid, namespace, name, operation, isDryRun } = request;
  const subject = { namespace, name, operation, uid, ...(isDryRun ? { dryRun: true } : {}) };
  if (decision.action === 'cap') {
    // Log only the old values, because the rule has the new ones.
    const from = Object.fromEntries(decision.changes.map((change) => [change.field, change.from ?? null]));
    log.info('admission request patched', truncateFields({ ...subject, rule: decision.rule, ...from }));
  } else if (decision.action === 'keep') {
    log.debug('restartPolicy put back in the request', truncateFields({ ...subject, rule: decision.rule }));
  } else if (decision.action === 'refuse') {
    log.warn('job refused', truncateFields({ ...subject, problem: decision.problem }));
  } else {
    log.debug('job allowed', truncateFields({ ...subject, reason: decision.reason }));
  }
}

interface Endpoint extends AppDependencies {
  readonly readBody: ReturnType<typeof createBodyReader>;
  readonly warn: ReturnType<typeof warnQuietly>;
}

/** Answers a request without a decision, because the request is malformed or the endpoint is busy. */
function refuse({ status, problem }: Refusal, response: ServerResponse, { warn, observe }: Endpoint): void {
  if (status === 503) {
    warn('admission request refused: endpoint busy', { status, error: problem });
    observe('busy');
    // The API server retries after `Retry-After`, up to ten times. Because this answer closes the connection, each
    // retry opens a new one, perhaps to another replica.
    response.setHeader('Retry-After', '1').setHeader('Connection', 'close');
  } else {
    warn('malformed admission request', truncateFields({ code: 'REVIEW_MALFORMED', status, error: problem }));
    observe('malformed');
  }
  sendText(response, status, problem);
}

/** Answers 400 to a malformed review, and 500 after an internal error. */
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

/** Sends an answer. `response.send` of express is slower: it looks up content types and handles browser caches. */
function send(response: ServerResponse, status: number, text: string): void {
  const type = status === 200 ? JSON_TYPE : 'text/plain; charset=utf-8';
  response.writeHead(status, { 'Content-Type': type, 'Content-Length': Buffer.byteLength(text) });
  response.end(response.req.method === 'HEAD' ? '' : text);
}
