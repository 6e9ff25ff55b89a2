import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';
import { parseArgs } from 'node:util';

/**
 * The server "the floor" of the benchmark: `node:https` with a constant answer. It discards the body, so it shows the
 * cost of Node.js alone. With `--parse` it reads and parses the body before it answers.
 */

const { values } = parseArgs({
  options: { port: { type: 'string' }, certificates: { type: 'string' }, parse: { type: 'boolean' } },
});
const read = (file: string) => readFileSync(`${values.certificates}/${file}`);

const patch = Buffer.from(
  JSON.stringify([
    { op: 'add', path: '/spec/template/spec/restartPolicy', value: 'Never' },
    { op: 'add', path: '/spec/backoffLimit', value: 0 },
    { op: 'add', path: '/metadata/annotations', value: { 'terraform.job.kb.io/capped': '{"rule":"terraform"}' } },
  ]),
).toString('base64');
const answer = Buffer.from(
  JSON.stringify({
    apiVersion: 'admission.k8s.io/v1',
    kind: 'AdmissionReview',
    response: { uid: '00000000-0000-0000-0000-000000000000', allowed: true, patchType: 'JSONPatch', patch },
  }),
);
const headers = { 'Content-Type': 'application/json', 'Content-Length': answer.length };

createServer({ cert: read('tls.crt'), key: read('tls.key') }, (request, response) => {
  const chunks: Buffer[] = [];
  if (values.parse) request.on('data', (chunk) => chunks.push(chunk));
  else request.resume();
  request.once('end', () => {
    if (values.parse) JSON.parse(Buffer.concat(chunks).toString());
    response.writeHead(200, headers).end(answer);
  });
}).listen(Number(values.port), '127.0.0.1');
