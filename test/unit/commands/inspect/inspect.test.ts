import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { describe, test } from 'node:test';
import type { RawOptions } from '../../../../src/cli/config.ts';
import { inspect } from '../../../../src/commands/inspect/inspect.ts';
import { OperatorError } from '../../../../src/lib/errors.ts';
import { aCertificateSet, ISSUED_AT, stored } from '../../../support/builders/a-certificate-set.ts';
import { aRegistration } from '../../../support/builders/an-inspection.ts';

const set = await aCertificateSet();
const { labels, annotations, data, type } = stored(set);

/** As an export has them, in JSON, which is YAML too. */
function exported(namespace = 'vela-system'): string {
  const metadata = { name: 'terraform-job-webhook-cert', namespace, labels, annotations };
  const secret = { apiVersion: 'v1', kind: 'Secret', metadata, type, data };
  return [secret, aRegistration(set.caBundle)].map((object) => JSON.stringify(object)).join('\n---\n');
}

async function inspected(text: string, raw: RawOptions = {}, podNamespace?: string) {
  const written: string[] = [];
  const exitCode = await inspect(
    raw,
    { output: 'json', file: '-', address: undefined },
    {
      podNamespace,
      connect: () => assert.fail('nobody is to be asked'),
      stdin: Readable.from([text]),
      write: (part) => void written.push(part),
      now: () => ISSUED_AT,
    },
  );
  return { exitCode, ...JSON.parse(written.join('')) };
}

describe('an inspection of standard input', () => {
  test('asks no API server and calls no endpoint', async () => {
    const { exitCode, verdict, endpoint, at } = await inspected(exported());
    assert.deepEqual(
      [exitCode, verdict, endpoint.outcome, at],
      [3, 'incomplete', 'not-dialled', ISSUED_AT.toISOString()],
    );
  });

  test('takes the namespace from the Secret, before that of the Pod, unless it is told', async () => {
    const { secret, problems } = await inspected(exported('ops'), {}, 'pods');
    assert.equal(secret.reference, 'ops/terraform-job-webhook-cert');
    // These certificates are for another namespace, which is found out so.
    assert.equal(problems[0].reason, 'missing-name');
    const told = await inspected(exported('ops'), { namespace: 'vela-system' });
    assert.deepEqual([told.secret.state, told.problems[0].reason], ['absent', 'absent']);
  });

  test('says how to call the endpoint in a way that there is: without kubectl in a Pod', async () => {
    const portForward = 'kubectl -n vela-system port-forward service/terraform-job-webhook-service 8443:443';
    const outside = await inspected(exported());
    assert.deepEqual(outside.endpoint.how, [portForward, 'terraform-daemon inspect --address 127.0.0.1:8443']);
    const inPod = await inspected(exported(), {}, 'vela-system');
    assert.deepEqual(inPod.endpoint.how, ['terraform-daemon inspect --address 127.0.0.1:8090']);
    const elsewhere = await inspected(exported(), { 'webhook-bind-port': '9443' }, 'vela-system');
    assert.deepEqual(elsewhere.endpoint.how, ['terraform-daemon inspect --address 127.0.0.1:9443']);
  });

  test('forwards to the Service that the registration names, in its namespace', async () => {
    const registration = aRegistration(set.caBundle);
    const [webhook] = registration.webhooks;
    const service = { name: 'other', namespace: 'ops', port: 8443 };
    const webhooks = [{ ...webhook, clientConfig: { ...webhook.clientConfig, service } }];
    const { endpoint } = await inspected(JSON.stringify({ ...registration, webhooks }));
    assert.equal(endpoint.how[0], 'kubectl -n ops port-forward service/other 8443:8443');
  });

  test('refuses a Secret of a namespace that there cannot be', async () => {
    const message = /Secret\.metadata\.namespace: found "x; echo \$HOME"; allowed is a DNS label/;
    await assert.rejects(inspected(exported('x; echo $HOME')), { code: 'CONFIG_INVALID', message });
  });

  test('refuses one with neither of the two objects in it: that says nothing of a cluster', async () => {
    for (const text of ['', 'hello', JSON.stringify({ apiVersion: 'v1', kind: 'ConfigMap' })]) {
      await assert.rejects(inspected(text), { code: 'CONFIG_INVALID', message: /neither of the two objects is in it/ });
    }
  });

  test('refuses what is no YAML', async () => {
    await assert.rejects(
      inspected('a: [b'),
      (error) => error instanceof OperatorError && error.code === 'CONFIG_INVALID',
    );
  });

  test('has null for what is not known', async () => {
    const { nextCertificateAuthority, endpoint } = await inspected(exported());
    assert.deepEqual([nextCertificateAuthority, endpoint.certificate], [null, null]);
  });
});
