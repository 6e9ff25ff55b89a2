import { createLog } from '../../src/log.ts';
import { terraformPolicy } from '../../src/policy.ts';
import { createApp } from '../../src/webhook/app.ts';
import { openServer } from '../../src/webhook/server.ts';
import { ENDPOINT_PATH, someCertificates } from '../support/endpoint.ts';

/** The endpoint as the daemon has it, in a process that may crash. Its first line says how to call it. */
const { serving, caBundle } = await someCertificates();
const app = createApp({
  path: ENDPOINT_PATH,
  policy: () => terraformPolicy,
  namespaceLabels: () => Promise.reject(new Error('nobody asks for labels of a namespace')),
  log: createLog({ level: 'debug', format: 'json' }),
  observe: () => {},
});
const server = await openServer(app, { port: 0, address: '127.0.0.1', drainMs: 0 });
server.present(serving);
process.stdout.write(`${JSON.stringify({ port: server.port, caBundle })}\n`);
