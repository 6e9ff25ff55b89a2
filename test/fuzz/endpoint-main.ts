import { createLog } from '../../src/lib/log.ts';
import { terraformPolicy } from '../../src/policy/policy.ts';
import { createApp } from '../../src/webhook/app.ts';
import { logRefused } from '../../src/webhook/refused-connections.ts';
import { openServer } from '../../src/webhook/server.ts';
import { ENDPOINT_PATH, endpointOptions, someCertificates } from '../support/cluster/endpoint.ts';

/**
 * Runs the endpoint of the daemon in a separate process, because a fuzz input can crash it. The first line of its
 * output has port and CA bundle.
 */
const { serving, caBundle } = await someCertificates();
const log = createLog({ level: 'debug', format: 'json' });
const app = createApp({
  path: ENDPOINT_PATH,
  policy: () => terraformPolicy,
  log,
  observe: () => {},
});
const server = await openServer(app, endpointOptions(), { clientCa: undefined, refused: logRefused(log) });
server.present(serving);
process.stdout.write(`${JSON.stringify({ port: server.port, caBundle })}\n`);
