import assert from 'node:assert/strict';
import jsonpatch from 'fast-json-patch';
import { messageOf } from '../src/lib/errors.ts';
import type { Json } from '../test/support/builders/a-job.ts';
import { post, type Target } from '../test/support/cluster/endpoint.ts';
import { eventually } from '../test/support/eventually.ts';
import { type Case, cases } from './cases.ts';
import { startServers } from './endpoint.ts';
import { isWebhook, rowsOf, type ServerName, serverTexts } from './server-names.ts';
import type { Server } from './servers.ts';
import type { Stage } from './stage.ts';

/** The work of a webhook for one request: what its answer makes of the object, what the user reads, and the log line. */
export interface Answered {
  readonly isAllowed: boolean;
  /** The object of the request after the patch. */
  readonly object: Json;
  readonly warnings: readonly string[];
  readonly auditAnnotations: Json;
  /** The log line about a capped Job, without its time. */
  readonly line: Json;
}

/** The log message of a capped Job. */
const CAPPED = 'admission request patched';
const LINE_MS = 10_000;

/**
 * Throws unless each webhook does the work of the daemon for each case. The error names the case. A comparison is fair
 * only if all servers do the same work.
 */
export async function checkAgreement(stage: Stage): Promise<void> {
  const { programs, cluster, progress } = stage;
  const servers = await startServers(stage);
  const all = rowsOf(servers);
  try {
    const secret = await cluster.secret();
    const ours = Buffer.from(secret?.data?.['ca.crt'] ?? '', 'base64').toString();
    const webhooks = all
      .filter(([name]) => isWebhook(name))
      .map(([name, server]) => {
        const target = { port: server.port, caBundle: name === 'ours' ? ours : programs.caBundle };
        return { name, target, lines: linesOf(server) };
      });
    for (const one of cases()) {
      const answers: [ServerName, Answered][] = [];
      for (const { name, target, lines } of webhooks) answers.push([name, await ask(target, one, lines)]);
      assertAgree(one.name, answers);
    }
    progress(`${webhooks.length} webhooks agree on ${cases().length} reviews`);
  } finally {
    await Promise.all(all.map(([, server]) => server.stop()));
  }
}

/** Throws an error with the name of the case, unless all answers equal the first one. */
export function assertAgree(what: string, answers: readonly (readonly [ServerName, Answered])[]): void {
  const [[first, expected] = [], ...others] = answers;
  assert.ok(first !== undefined);
  for (const [name, answer] of others) {
    try {
      assert.deepEqual(answer, expected);
    } catch (error) {
      const which = `"${what}": ${serverTexts[name]} disagrees with ${serverTexts[first]}`;
      throw new Error(`${which}\n${messageOf(error)}`, { cause: error });
    }
  }
}

/** Returns the log lines about capped Jobs, by the uid of the request. The map grows while the server logs. */
function linesOf({ log }: Server): ReadonlyMap<string, Json> {
  const lines = new Map<string, Json>();
  let rest = '';
  log.on('data', (chunk) => {
    const texts = `${rest}${chunk}`.split('\n');
    rest = texts.pop() ?? '';
    for (const text of texts) {
      const { timestamp: _, ...line } = JSON.parse(text);
      if (line.message === CAPPED) lines.set(line.uid, line);
    }
  });
  return lines;
}

async function ask(target: Target, { name, review }: Case, lines: ReadonlyMap<string, Json>): Promise<Answered> {
  const { status, text } = await post(target, review);
  assert.equal(status, 200, `${name}: ${text}`);
  // controller-runtime sends no JSON content type, so `post` does not parse the answer.
  const { response } = JSON.parse(text);
  const { uid } = review.request;
  assert.equal(response.uid, uid, name);
  const patch = response.patch === undefined ? [] : JSON.parse(Buffer.from(response.patch, 'base64').toString());
  const warnings = response.warnings ?? [];
  // A warning is about a capped Job, which has a log line. The line can arrive after the answer.
  if (warnings.length > 0) {
    await eventually(() => assert.ok(lines.has(uid), `${name}: a capped Job has no log line`), { withinMs: LINE_MS });
  }
  return {
    isAllowed: response.allowed,
    object: jsonpatch.applyPatch(structuredClone(review.request.object), patch, true).newDocument,
    warnings,
    auditAnnotations: response.auditAnnotations ?? {},
    line: lines.get(uid),
  };
}
