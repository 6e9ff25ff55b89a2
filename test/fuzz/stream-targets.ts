import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import fc from 'fast-check';
import { decideJob } from '../../src/backstop/decide.ts';
import { connect } from '../../src/kube/client.ts';
import type { Kubeconfig } from '../../src/kube/kubeconfig.ts';
import { OperatorError } from '../../src/lib/errors.ts';
import { terraformPolicy } from '../../src/policy/policy.ts';
import { createJobStore } from '../../src/stores/job-store.ts';
import { ISSUED_AT } from '../support/builders/a-certificate-set.ts';
import { aTerraformJob } from '../support/builders/a-job.ts';
import { anyHostileJson, anyHostileValue, damaged } from './junk.ts';
import type { Target } from './target.ts';

interface Pieces {
  readonly text: string;
  /** Positions at which the text is split, as fractions of its length from 0 to 1. */
  readonly cuts: readonly number[];
}

const anyPlace = fc.double({ min: 0, max: 1, noNaN: true });

function piecesOf({ text, cuts }: Pieces): string[] {
  const places = [0, ...cuts.map((cut) => Math.floor(cut * text.length)).sort((a, b) => a - b), text.length];
  return places.slice(1).map((place, index) => text.slice(places[index], place));
}

const aList = (items: readonly unknown[]): string =>
  JSON.stringify({ kind: 'JobList', metadata: { resourceVersion: '7', continue: 'x' }, items, more: { a: 1 } });

interface Answer extends Pieces {
  readonly status: number;
}

const aLine = (type: string, object: unknown): string => `${JSON.stringify({ type, object })}\n`;
const bookmark = aLine('BOOKMARK', { kind: 'Job', metadata: { resourceVersion: '9' } });
const lines = ['ADDED', 'MODIFIED', 'DELETED'].map((type) => aLine(type, aTerraformJob()));
const gone = aLine('ERROR', { kind: 'Status', code: 410, reason: 'Expired' });

/**
 * Checks list and watch with arbitrary responses of a fake API server over a real connection. They must not throw
 * unexpected errors.
 */
export async function answerTarget(): Promise<Target<Answer>> {
  let answer: Answer = { text: '', cuts: [], status: 200 };
  const server = createServer((_request, response) => {
    response.writeHead(answer.status, { 'Content-Type': 'application/json' });
    for (const piece of piecesOf(answer)) response.write(piece);
    response.end();
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  // The client calls an http URL only with skipTLSVerify.
  const cluster = { name: 'here', server: url, skipTLSVerify: true };
  const kubeconfig: Kubeconfig = {
    cluster,
    user: { name: 'me' },
    tokenFile: undefined,
    exec: undefined,
    namespace: 'default',
  };
  const [jobs] = createJobStore(connect(kubeconfig, new AbortController().signal)).lists;
  assert.ok(jobs);
  const around = { policy: terraformPolicy, heal: 'all', startedAt: ISSUED_AT, now: ISSUED_AT } as const;
  const judged = (object: unknown) => void decideJob(object, around);
  const { signal } = new AbortController();
  return {
    inputs: fc.record({
      text: fc.oneof(
        damaged(lines.join('') + bookmark, bookmark + gone, aList([aTerraformJob()])),
        fc
          .array(anyHostileValue, { maxLength: 4 })
          .map((values) => values.map((value) => aLine('ADDED', value)).join('')),
        anyHostileJson.map((json) => `${json}\n`),
      ),
      cuts: fc.array(anyPlace, { maxLength: 5 }),
      status: fc.constantFrom(200, 200, 200, 200, 403, 410, 500),
    }),
    async check(input) {
      answer = input;
      const calls = [
        () => jobs.watch('1', (_type, object) => judged(object), signal),
        () => jobs.page(undefined, judged),
      ];
      for (const call of calls) {
        try {
          await call();
        } catch (error) {
          if (!(error instanceof OperatorError)) throw error;
        }
      }
    },
    async close() {
      server.closeAllConnections();
      server.close();
    },
  };
}
