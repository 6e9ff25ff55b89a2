import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { decideJob } from '../../src/backstop/decide.ts';
import { createListSplitter } from '../../src/kube/list-stream.ts';
import { OperatorError } from '../../src/lib/errors.ts';
import { terraformPolicy } from '../../src/policy/policy.ts';
import { createJobStore } from '../../src/stores/job-store.ts';
import { connect } from '../../src/stores/kube.ts';
import { ISSUED_AT } from '../support/builders/a-certificate-set.ts';
import { aTerraformJob } from '../support/builders/a-job.ts';
import { anyHostileJson, anyHostileValue, damaged } from './junk.ts';
import type { Target } from './target.ts';

interface Pieces {
  readonly text: string;
  /** Where the text is cut, from 0 to 1. */
  readonly cuts: readonly number[];
}

const anyPlace = fc.double({ min: 0, max: 1, noNaN: true });

const anyPieces = (text: fc.Arbitrary<string>): fc.Arbitrary<Pieces> =>
  fc.record({ text, cuts: fc.array(anyPlace, { maxLength: 5 }) });

function piecesOf({ text, cuts }: Pieces): string[] {
  const places = [0, ...cuts.map((cut) => Math.floor(cut * text.length)).sort((a, b) => a - b), text.length];
  return places.slice(1).map((place, index) => text.slice(places[index], place));
}

const aList = (items: readonly unknown[]): string =>
  JSON.stringify({ kind: 'JobList', metadata: { resourceVersion: '7', continue: 'x' }, items, more: { a: 1 } });

const anyList = fc.array(fc.oneof(anyHostileValue, fc.constant(aTerraformJob())), { maxLength: 5 });

/** A list comes out of the splitter as it went in, wherever it was cut; what is no JSON is an error, and nothing else. */
export function listTarget(): Target<Pieces> {
  return {
    inputs: anyPieces(fc.oneof(anyList.map(aList), damaged(aList([aTerraformJob(), {}, '['])), anyHostileJson)),
    check(pieces) {
      const items: unknown[] = [];
      const split = () => {
        const splitter = createListSplitter((item) => items.push(item));
        for (const piece of piecesOf(pieces)) splitter.push(piece);
        return splitter.end();
      };
      const whole = parsed(pieces.text);
      try {
        const rest = split();
        if (isList(whole)) assert.deepEqual({ ...(rest as object), items }, whole);
      } catch (error) {
        assert.ok(error instanceof SyntaxError || error instanceof assert.AssertionError, String(error));
        assert.equal(isList(whole), false, String(error));
      }
    },
  };
}

/** Whether a text is a list as the API server writes it: items that are objects, and no other list beside them. */
function isList(json: unknown): json is { items: unknown[] } {
  if (typeof json !== 'object' || json === null || !('items' in json) || !Array.isArray(json.items)) return false;
  const isOf = (value: unknown) => typeof value === 'object' && value !== null && !Array.isArray(value);
  return (
    json.items.every(isOf) && Object.entries(json).every(([name, value]) => name === 'items' || !Array.isArray(value))
  );
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

interface Answer extends Pieces {
  readonly status: number;
}

const aLine = (type: string, object: unknown): string => `${JSON.stringify({ type, object })}\n`;
const bookmark = aLine('BOOKMARK', { kind: 'Job', metadata: { resourceVersion: '9' } });
const lines = ['ADDED', 'MODIFIED', 'DELETED'].map((type) => aLine(type, aTerraformJob()));
const gone = aLine('ERROR', { kind: 'Status', code: 410, reason: 'Expired' });

/** What an API server answers to a list and to a watch, over a real connection: never more than an expected error. */
export async function answerTarget(): Promise<Target<Answer>> {
  let answer: Answer = { text: '', cuts: [], status: 200 };
  const server = createServer((_request, response) => {
    response.writeHead(answer.status, { 'Content-Type': 'application/json' });
    for (const piece of piecesOf(answer)) response.write(piece);
    response.end();
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const folder = await mkdtemp(join(tmpdir(), 'fuzz-'));
  const kubeconfig = join(folder, 'kubeconfig');
  const cluster = { server: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
  const config = {
    'current-context': 'here',
    clusters: [{ name: 'here', cluster }],
    contexts: [{ name: 'here', context: { cluster: 'here', user: 'me' } }],
    users: [{ name: 'me', user: {} }],
  };
  await writeFile(kubeconfig, JSON.stringify(config));
  const jobs = createJobStore(connect(kubeconfig, new AbortController().signal));
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
      await rm(folder, { recursive: true });
    },
  };
}
