import { once } from 'node:events';
import { createServer, type RequestListener, type ServerResponse } from 'node:http';
import { messageOf } from '../lib/errors.ts';
import { type ListenOptions, listen } from '../lib/listen.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import { holdConnections } from '../webhook/connections.ts';
import type { Refused } from '../webhook/refused-connections.ts';
import type { Check } from './health.ts';

export interface ProbeSources {
  readonly ready: () => Check[];
  readonly live: () => Check[];
  readonly metrics: Pick<Metrics, 'expose'>;
  /** Called when the server closes a connection because there are too many. */
  readonly refused: Refused;
}

/** The plain HTTP server of `/healthz`, `/readyz` and `/metrics`. */
export interface ProbeServer {
  readonly port: number;
  close(): Promise<void>;
}

/**
 * Maximum number of open connections, because any Pod can connect. Beyond the limit the server closes one, idle
 * connections first.
 */
const MOST_CONNECTIONS = 100;
/** A connection without traffic is closed after this time. */
const IDLE_MS = 60_000;
/** The timeouts of Node.js, and how often it checks them. Each check wakes the process. */
const TIMES = { headersTimeout: 5_000, requestTimeout: 10_000, connectionsCheckingInterval: 2_500 };

/**
 * Starts the probe server and resolves when it listens.
 *
 * @throws OperatorError `SERVER_LISTEN_FAILED`
 */
export async function startProbes(sources: ProbeSources, options: ListenOptions): Promise<ProbeServer> {
  const server = createServer(TIMES, probeListener(sources));
  server.timeout = IDLE_MS;
  holdConnections(server, MOST_CONNECTIONS, () =>
    sources.refused('too-many-connections', `more than ${MOST_CONNECTIONS} connections to the probe server`),
  );
  return {
    port: await listen(server, options, '--metrics-bind-port, --webhook-bind-address'),
    async close() {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

function probeListener({ ready, live, metrics }: ProbeSources): RequestListener {
  return (request, response) => {
    const url = URL.parse(request.url ?? '', 'http://probe');
    const isVerbose = url?.searchParams.has('verbose') ?? false;
    if (url?.pathname === '/healthz') sendChecks(response, live(), isVerbose);
    else if (url?.pathname === '/readyz') sendChecks(response, ready(), isVerbose);
    else if (url?.pathname === '/metrics') void sendMetrics(response, metrics);
    else sendText(response, 404, 'not found; valid paths are /healthz, /readyz and /metrics');
  };
}

async function sendMetrics(response: ServerResponse, metrics: ProbeSources['metrics']): Promise<void> {
  try {
    const { text, contentType } = await metrics.expose();
    response.writeHead(200, { 'Content-Type': contentType }).end(text);
  } catch (error) {
    sendText(response, 500, messageOf(error));
  }
}

/** Answers in the format of the API server's probes: `ok`, or one line for each check. */
function sendChecks(response: ServerResponse, checks: readonly Check[], isVerbose: boolean): void {
  const isOk = checks.every(({ problem }) => problem === undefined);
  sendText(response, isOk ? 200 : 503, isOk && !isVerbose ? 'ok' : checks.map(checkLine).join('\n'));
}

const checkLine = ({ name, problem }: Check): string =>
  problem === undefined ? `[+]${name} ok` : `[-]${name} failed: ${problem}`;

function sendText(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { 'Content-Type': 'text/plain; charset=utf-8' }).end(`${text}\n`);
}
