import { readFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { hostname } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';

/**
 * The `terraform` of the test images. It asks the ticket system of the test for its outcome, prints what terraform
 * 1.1.5 prints, colours included, and stores the state as the backend `kubernetes` does.
 *
 * The ticket system listens on `TICKETS` (host:port). It reads one line, `<Pod> <command> <account>`, and answers with
 * one line, `<command> fails` or `<command> hangs`: the command that does not succeed.
 */

const WORK_MS = 3_000;
const HANG_MS = 24 * 60 * 60 * 1_000;
const BACKEND = '/opt/tf-configuration/main.tf';
const SERVICE_ACCOUNT = '/var/run/secrets/kubernetes.io/serviceaccount';

const bold = (text: string) => `\x1b[0m\x1b[1m${text}\x1b[0m`;
const green = (text: string) => `\x1b[0m\x1b[1m\x1b[32m\n${text}\n\x1b[0m`;
const BAR = '\x1b[31m│\x1b[0m \x1b[0m';

/** Returns an error as terraform prints it. */
const errorBox = (summary: string, ...details: readonly string[]): string =>
  [
    '\x1b[31m╷\x1b[0m\x1b[0m',
    `${BAR}\x1b[1m\x1b[31mError: \x1b[0m\x1b[0m\x1b[1m${summary}\x1b[0m`,
    BAR,
    ...details.map((line, index) => `${BAR}${index === 0 ? '\x1b[0m' : ''}${line}`),
    '\x1b[31m╵\x1b[0m\x1b[0m',
  ].join('\n');

const AT = ['  with alicloud_oss_bucket.logs,', '  on main.tf line 1, in resource "alicloud_oss_bucket" "logs":'];
const START = {
  init: `\n${bold('Initializing the backend...')}\n\n${bold('Initializing provider plugins...')}`,
  apply: bold('alicloud_oss_bucket.logs: Creating...'),
  destroy: bold('alicloud_oss_bucket.logs: Destroying... [id=logs]'),
} as const;
const DONE = {
  init: green('Terraform has been successfully initialized!'),
  apply: green('Apply complete! Resources: 1 added, 0 changed, 0 destroyed.'),
  destroy: green('Destroy complete! Resources: 1 destroyed.'),
} as const;
const FAILED = {
  init: errorBox('Failed to query available provider packages', 'Could not retrieve the list of available versions'),
  apply: errorBox('the account is out of money. A ticket was filed.', ...AT),
  destroy: errorBox('the bucket is not empty', ...AT),
} as const;

type Command = keyof typeof START;
const isCommand = (text: string | undefined): text is Command => text !== undefined && text in START;

async function outcomeOf(command: Command): Promise<string | undefined> {
  const [host, port] = (process.env.TICKETS ?? '').split(':');
  const socket = connect({ host: host ?? '', port: Number(port) });
  socket.end(`${hostname()} ${command} ${process.env.TF_VAR_account ?? 'none'}\n`);
  const answer = Buffer.concat(await socket.toArray()).toString();
  const [failing, outcome] = answer.trim().split(' ');
  return failing === command ? outcome : undefined;
}

/** Stores a state in the Secret that the backend of main.tf names. */
async function storeState(resources: readonly string[]): Promise<void> {
  const backend = await readFile(BACKEND, 'utf8');
  const attribute = (name: string) => new RegExp(`${name}\\s*=\\s*"([^"]+)"`).exec(backend)?.[1] ?? '';
  const name = `tfstate-default-${attribute('secret_suffix')}`;
  const state = { version: 4, terraform_version: '1.1.5', serial: 1, lineage: 'test', outputs: {}, resources };
  const namespace = attribute('namespace');
  const secrets = `https://${process.env.KUBERNETES_SERVICE_HOST}:${process.env.KUBERNETES_SERVICE_PORT}/api/v1/namespaces/${namespace}/secrets`;
  const send = async (method: string, url: string) => {
    const token = await readFile(`${SERVICE_ACCOUNT}/token`, 'utf8');
    return fetch(url, {
      method,
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: JSON.stringify({
        metadata: { name, labels: { tfstate: 'true' } },
        data: { tfstate: gzipSync(JSON.stringify(state)).toString('base64') },
      }),
    });
  };
  const created = await send('POST', secrets);
  const stored = created.status === 409 ? await send('PUT', `${secrets}/${name}`) : created;
  if (!stored.ok) throw new Error(`cannot store the state: ${stored.status} ${await stored.text()}`);
}

const [command] = process.argv.slice(2);
// The first process of a container ignores SIGTERM unless it handles it.
process.once('SIGTERM', () => process.exit(1));
if (isCommand(command)) {
  process.stdout.write(`${START[command]}\n`);
  const outcome = await outcomeOf(command);
  await delay(outcome === 'hangs' ? HANG_MS : command === 'init' ? 0 : WORK_MS);
  if (outcome === undefined) {
    if (command !== 'init') await storeState(command === 'apply' ? ['alicloud_oss_bucket.logs'] : []);
    process.stdout.write(`${DONE[command]}\n`);
  } else {
    process.stderr.write(`${FAILED[command]}\n`);
    process.exitCode = 1;
  }
}
