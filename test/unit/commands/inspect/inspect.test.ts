import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { V1MutatingWebhookConfiguration } from '@kubernetes/client-node';
import { type RawOptions, readConfig } from '../../../../src/cli/config.ts';
import type { ReadApplies } from '../../../../src/commands/applies/report.ts';
import { inspect } from '../../../../src/commands/inspect/inspect.ts';
import { OperatorError } from '../../../../src/lib/errors.ts';
import type { ReconcileFailure } from '../../../../src/stores/event-store.ts';
import { aCertificateSet, ISSUED_AT, stored } from '../../../support/builders/a-certificate-set.ts';
import { plain } from '../../../support/builders/a-terminal.ts';
import { aRegistration } from '../../../support/builders/an-inspection.ts';
import { noApplies } from '../../../support/builders/no-applies.ts';

const set = await aCertificateSet();

/** The Service of this namespace resolves nowhere, so `inspect` calls no endpoint. */
const OPTIONS: RawOptions = { namespace: 'no-such-namespace' };

interface Cluster {
  readonly raw?: RawOptions;
  readonly isInPod?: boolean;
  /** `false`: neither the Secret nor the registration exists. */
  readonly isInstalled?: boolean;
  readonly registration?: V1MutatingWebhookConfiguration;
  /** Thrown by the read of the Secret. */
  readonly problem?: Error;
  /** Thrown by the read of the registration. */
  readonly registrationProblem?: Error;
  readonly failure?: ReconcileFailure;
  readonly phase?: string;
  readonly readApplies?: () => Promise<ReadApplies>;
  readonly output?: 'text' | 'json';
}

const aRegistrationOf = (service: object): V1MutatingWebhookConfiguration => {
  const registration = aRegistration(set.caBundle);
  const [webhook] = registration.webhooks;
  return { ...registration, webhooks: [{ ...webhook, clientConfig: { ...webhook.clientConfig, service } }] } as never;
};
const SERVICE = { name: 'other', namespace: 'no-such-namespace', port: 8443 };

async function inspected(cluster: Cluster = {}) {
  const { raw = OPTIONS, isInPod = false, problem, registration, registrationProblem, failure, phase } = cluster;
  const { readApplies = async () => noApplies, output = 'json', isInstalled = true } = cluster;
  const written: string[] = [];
  const exitCode = await inspect({ output, address: undefined }, readConfig(raw), {
    secrets: {
      async read() {
        if (problem !== undefined) throw problem;
        return isInstalled ? stored(set) : undefined;
      },
    },
    registrations: {
      async read() {
        if (registrationProblem !== undefined) throw registrationProblem;
        return isInstalled ? (registration ?? aRegistrationOf(SERVICE)) : undefined;
      },
    },
    readFailure: async () => failure,
    readNamespacePhase: async () => phase,
    readApplies,
    isInPod,
    raw,
    terminal: plain,
    write: (part) => void written.push(part),
    now: () => ISSUED_AT,
  });
  return { exitCode, ...(output === 'json' && JSON.parse(written.join(''))) };
}

describe('inspect', () => {
  test('inspect exits with code 3 if the name of the endpoint does not resolve, and its JSON has null for unknown values', async () => {
    const { exitCode, endpoint, at, nextCertificateAuthority } = await inspected({
      raw: {},
      registration: aRegistration(set.caBundle),
    });
    assert.deepEqual([exitCode, endpoint.outcome, at], [3, 'not-dialled', ISSUED_AT.toISOString()]);
    assert.deepEqual([nextCertificateAuthority, endpoint.certificate], [null, null]);
    const portForward = 'kubectl -n vela-system port-forward service/terraform-job-webhook-service 8443:443';
    assert.deepEqual(endpoint.how, [portForward, 'terraform-daemon inspect --address 127.0.0.1:8443']);
  });

  test('outside of a Pod inspect suggests a port-forward to the registered Service', async () => {
    const { endpoint } = await inspected();
    assert.deepEqual(endpoint.how, [
      'kubectl -n no-such-namespace port-forward service/other 8443:8443',
      'terraform-daemon inspect --namespace=no-such-namespace --address 127.0.0.1:8443',
    ]);
  });

  test('if inspect runs in a Pod, it suggests the command inspect --address with the port of the endpoint, and not kubectl', async () => {
    const inPod = await inspected({ isInPod: true });
    assert.deepEqual(inPod.endpoint.how, [
      'terraform-daemon inspect --namespace=no-such-namespace --address 127.0.0.1:8090',
    ]);
    const elsewhere = await inspected({ isInPod: true, raw: { ...OPTIONS, 'webhook-bind-port': '9443' } });
    const given = '--namespace=no-such-namespace --webhook-bind-port=9443';
    assert.deepEqual(elsewhere.endpoint.how, [`terraform-daemon inspect ${given} --address 127.0.0.1:9443`]);
  });

  test('without an installed daemon inspect suggests check --pre and no port-forward', async () => {
    const { endpoint, problems } = await inspected({ isInstalled: false });
    assert.deepEqual(endpoint.how, []);
    assert.equal(problems[0].reason, 'not-installed');
    assert.match(problems[0].message, /To install the daemon, run terraform-daemon check --pre first/);
  });

  test('the proposed inspect repeats the options of this call, quoted for a shell, and no default and no empty text', async () => {
    const raw = {
      'service-port': '31920',
      kubeconfig: '/a folder/config',
      'settle-time': '60s',
      'secret-name': '',
    };
    const { endpoint } = await inspected({ raw });
    const given = "--service-port=31920 --kubeconfig='/a folder/config'";
    assert.equal(endpoint.how.at(-1), `terraform-daemon inspect ${given} --address 127.0.0.1:8443`);
  });

  test('inspect reports a certificate for another namespace', async () => {
    const { secret, problems } = await inspected();
    assert.equal(secret.reference, 'no-such-namespace/terraform-job-webhook-cert');
    assert.equal(problems[0].reason, 'missing-name');
  });

  test('inspect reports a Secret that the user cannot read as a problem', async () => {
    const { exitCode, secret, problems } = await inspected({ problem: new OperatorError('KUBE_FORBIDDEN', 'no') });
    assert.deepEqual([exitCode, secret.state, problems[0].reason], [1, 'refused', 'forbidden']);
  });

  test('inspect reports the other object if the read of one fails, with the error', async () => {
    const problem = new OperatorError('KUBE_UNAVAILABLE', 'cannot read Secret a/b: Internal error');
    const unreadSecret = await inspected({ problem });
    assert.deepEqual(
      [unreadSecret.exitCode, unreadSecret.secret.state, unreadSecret.registration.state],
      [1, 'failed', 'present'],
    );
    assert.equal(unreadSecret.problems[0].reason, 'unreadable');
    assert.match(unreadSecret.problems[0].message, /cannot read Secret a\/b: Internal error$/);
    const unreadRegistration = await inspected({ registrationProblem: problem });
    assert.deepEqual([unreadRegistration.secret.state, unreadRegistration.registration.state], ['present', 'failed']);
  });

  test('inspect without the right to read the registration does not say that no endpoint is registered', async () => {
    const { endpoint } = await inspected({ registrationProblem: new OperatorError('KUBE_FORBIDDEN', 'no') });
    assert.deepEqual([endpoint.outcome, endpoint.why], ['not-dialled', 'the registered endpoint cannot be read']);
  });

  test('inspect rejects if it can read neither object', async () => {
    const problem = new OperatorError('KUBE_UNAVAILABLE', 'no answer');
    await assert.rejects(inspected({ problem, registrationProblem: problem }), problem);
  });

  test('inspect names a recent failed reconcile before the other problems, and an old one not at all', async () => {
    const failure = { code: 'KUBE_REJECTED', message: 'exceeded quota' } as const;
    const { problems, daemon } = await inspected({ failure: { ...failure, at: ISSUED_AT } });
    assert.deepEqual(
      [problems[0].reason, problems[0].where, problems[1].reason],
      ['reconcile-failing', 'daemon', 'missing-name'],
    );
    assert.match(problems[0].message, /KUBE_REJECTED: exceeded quota$/);
    assert.equal(daemon.lastFailure.message, 'exceeded quota');
    const old = await inspected({ failure: { ...failure, at: new Date(ISSUED_AT.getTime() - 3 * 60_000) } });
    assert.deepEqual([old.problems[0].reason, old.daemon.lastFailure], ['missing-name', null]);
  });

  for (const phase of ['absent', 'Terminating']) {
    test(`inspect proposes to delete the registration and nothing else if the namespace is ${phase}`, async () => {
      const { problems } = await inspected({ phase });
      assert.deepEqual(
        problems.map(({ reason, command }: { readonly reason: string; readonly command: string }) => [reason, command]),
        [['namespace-removed', 'kubectl delete mutatingwebhookconfiguration terraform-job-webhook-configuration']],
      );
    });
  }

  test('inspect -o json reports that the user may not list Jobs, or why the read has failed, and exits with the same code', async () => {
    const { exitCode, applies } = await inspected();
    assert.deepEqual(applies, { state: 'present', problem: null, runs: [], notes: [] });
    for (const [code, state, problem] of [
      ['KUBE_FORBIDDEN', 'refused', null],
      ['KUBE_UNAVAILABLE', 'failed', 'no answer'],
    ] as const) {
      const unread = await inspected({ readApplies: () => Promise.reject(new OperatorError(code, 'no answer')) });
      assert.deepEqual(unread.applies, { state, problem, runs: [], notes: [] });
      assert.equal(unread.exitCode, exitCode);
    }
  });

  test('the text report of inspect reads no Jobs', async () => {
    let reads = 0;
    const readApplies = async () => {
      reads += 1;
      return noApplies;
    };
    await inspected({ output: 'text', readApplies });
    assert.equal(reads, 0);
    await inspected({ output: 'json', readApplies });
    assert.equal(reads, 1);
  });
});
