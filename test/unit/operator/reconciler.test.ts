import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { createCertificateLogic } from '../../../src/certs/certificate-logic.ts';
import type { CertificateSet } from '../../../src/certs/certificate-set.ts';
import { issueServingCertificate } from '../../../src/certs/issue.ts';
import { fromSecret, type StoredSecret } from '../../../src/certs/secret.ts';
import { ROTATE } from '../../../src/certs/secret-annotations.ts';
import { MANAGED_BY } from '../../../src/certs/secret-ownership.ts';
import { readConfig } from '../../../src/cli/config.ts';
import { OperatorError } from '../../../src/lib/errors.ts';
import { joinCertificates, type Pem, toBase64 } from '../../../src/lib/pem.ts';
import { createReconciler } from '../../../src/operator/reconciler.ts';
import { terraformPolicy } from '../../../src/policy/policy.ts';
import { ownWebhook } from '../../../src/registration/desired.ts';
import { liveBundle } from '../../../src/registration/registration-step.ts';
import { createMetrics } from '../../../src/telemetry/metrics.ts';
import { aCertificateSet, certificateOptions, ISSUED_AT } from '../../support/builders/a-certificate-set.ts';
import { aFolder } from '../../support/builders/a-folder.ts';
import {
  createFakeRegistrationStore,
  type FakeRegistrationStore,
} from '../../support/fakes/fake-registration-store.ts';
import { createFakeSecretStore } from '../../support/fakes/fake-secret-store.ts';

const MINUTE_MS = 60_000;

/** A simulated cluster with a settable clock and failures. */
function aWorld() {
  const world = {
    ms: 0,
    /** Whether the API server refuses writes with 403. */
    refuses: false,
    /** Another writer changes the object before each write. */
    meddles: false,
    /** A policy makes each new Secret immutable. */
    freezes: false,
    /** Whether the replica holds the Lease. */
    isLeaseHolder: true,
    tries: 0,
    conflicts: 0,
    /** Whether a read of the Lease finds this replica as the holder, and the number of reads. */
    stillHolds: true,
    leaseReads: 0,
  };
  const [registrations, secrets] = [createFakeRegistrationStore(), createFakeSecretStore()];
  const refusing = <Call extends readonly unknown[], Answer>(write: (...call: Call) => Promise<Answer>) => {
    return async (...call: Call) => {
      world.tries += 1;
      if (world.refuses) throw new OperatorError('KUBE_FORBIDDEN', 'no writes');
      return write(...call);
    };
  };
  const apply: typeof registrations.apply = async (...given) => {
    const stored = await registrations.apply(...given);
    if (!world.meddles) return stored;
    registrations.edit(({ webhooks = [] }) => {
      for (const webhook of webhooks) webhook.matchConditions?.push({ name: 'never', expression: 'false' });
    });
    const seen = registrations.current() ?? stored;
    registrations.edit(({ metadata }) => {
      if (metadata) metadata.annotations = { tries: String(world.tries) };
    });
    return seen;
  };
  const update: typeof secrets.update = async (...call) => !world.meddles && secrets.update(...call);
  const create: typeof secrets.create = async (content) => {
    const isCreated = await secrets.create(content);
    const made = secrets.current();
    if (world.freezes && made) secrets.put({ ...made, isImmutable: true });
    return isCreated;
  };
  const now = () => new Date(ISSUED_AT.getTime() + world.ms);

  /** Returns a replica whose first passes have succeeded. */
  async function aReplica(flags: Readonly<Record<string, string>>) {
    const config = readConfig(flags);
    const quiet = () => {};
    const telemetry = {
      log: { error: quiet, warn: quiet, info: quiet, debug: quiet },
      metrics: createMetrics('test'),
      events: {
        emit({ reason }: { readonly reason: string }) {
          if (reason === 'conflict') world.conflicts += 1;
        },
      },
    };
    const stores = {
      registrations: { ...registrations, apply: refusing(apply) },
      secrets: { ...secrets, update: refusing(update), create: refusing(create) },
    };
    const policies = { current: () => terraformPolicy };
    const uptimeMs = () => world.ms;
    const reconciler = createReconciler(config, {
      ...stores,
      ...telemetry,
      policies,
      now,
      uptimeMs,
      isLeaseHolder: () => world.isLeaseHolder,
      async stillHolds() {
        world.leaseReads += 1;
        return world.stillHolds;
      },
    });
    const pass = (phase: 'starting' | 'running') => reconciler.pass(phase, () => {});
    const presented = () => reconciler.memory().presented;
    await pass('starting');
    return {
      look: () => pass('running'),
      presented,
      isTrusted: () =>
        createCertificateLogic(config.certificates).isVerified(
          presented() ?? ('' as Pem),
          liveBundle(registrations.current()) ?? ('' as Pem),
          now(),
        ),
    };
  }
  return { world, registrations, secrets, aReplica };
}

const bring = (folder: string, { caBundle, serving }: CertificateSet) =>
  Promise.all(
    Object.entries({ 'ca.pem': caBundle, 'cert.pem': serving.certificate, 'key.pem': serving.privateKey }).map(
      ([file, text]) => writeFile(join(folder, file), text),
    ),
  );

describe('replicas with user-provided certificates', () => {
  // A CA without name constraints, like the CA of a company.
  const names = { dns: [...certificateOptions().names.dns, 'other.example.com'], ip: [] };
  const sets = Promise.all([1, 2, 3].map((nth) => aCertificateSet({ nth, options: { names } }))) as Promise<
    [CertificateSet, CertificateSet, CertificateSet]
  >;

  /** Starts one replica for each certificate set, with the files of the set in its own folder. */
  async function withFiles(
    t: TestContext,
    { aReplica }: Pick<ReturnType<typeof aWorld>, 'aReplica'>,
    brought: CertificateSet[],
  ) {
    const replicas = [];
    for (const set of brought) {
      const folder = await aFolder(t);
      await bring(folder, set);
      replicas.push({ folder, ...(await aReplica({ 'webhook-cert-path': folder })) });
    }
    return replicas;
  }

  test('replicas with user-provided certificate files stay trusted during a CA change if ca.pem has the old and the new CA, even if they read the files 75 s apart', async (t) => {
    const { world, registrations, aReplica } = aWorld();
    const [before, after] = await sets;
    const caBundle = joinCertificates([before.caBundle, after.caBundle]);
    const changes = [{ ...before, caBundle }, { ...after, caBundle }, after];
    const replicas = await withFiles(t, { aReplica }, [before, before]);
    let untrusted = 0;
    const lookAll = async () => {
      for (const { look } of replicas) {
        await look();
        untrusted += replicas.filter(({ isTrusted }) => !isTrusted()).length;
      }
    };
    const bringAt = (second: number) =>
      Promise.all(
        replicas.map(async ({ folder }, nth) => {
          const change = changes[Math.floor(second / 300)];
          if (change && second % 300 === 1 + nth * 75) await bring(folder, change);
        }),
      );
    for (let second = 1; second <= 300 * changes.length; second += 1) {
      world.ms = second * 1_000;
      await bringAt(second);
      await lookAll();
    }
    for (const { presented } of replicas) assert.equal(presented(), after.serving.certificate);
    assert.equal(liveBundle(registrations.current()), after.caBundle);
    assert.equal(untrusted, 0);
    // Replicas that have read different files revert each other's CA bundle, so their repairs are rate-limited.
    assert.ok(registrations.writes() < 100, `${registrations.writes()} writes in 900 s`);
  });

  /** Replaces the live CA bundle with the CA of another writer. */
  const overwrite = (
    { registrations }: Pick<ReturnType<typeof aWorld>, 'registrations'>,
    { caBundle }: CertificateSet,
  ) =>
    registrations.edit(({ webhooks = [] }) => {
      for (const { clientConfig } of webhooks) clientConfig.caBundle = Buffer.from(caBundle).toString('base64');
    });

  test('replicas with user-provided certificate files remove the CA of another writer from the live CA bundle, even while these files are invalid', async (t) => {
    const here = aWorld();
    const [ours, theirs] = await sets;
    const [replica] = await withFiles(t, here, [ours]);
    assert.ok(replica);
    overwrite(here, { ...theirs, caBundle: joinCertificates([ours.caBundle, theirs.caBundle]) });
    await replica.look();
    assert.equal(liveBundle(here.registrations.current()), ours.caBundle);
    await writeFile(join(replica.folder, 'cert.pem'), 'junk');
    overwrite(here, theirs);
    await assert.rejects(replica.look, { code: 'CERTIFICATE_FILES_INVALID' });
    assert.equal(liveBundle(here.registrations.current()), ours.caBundle);
  });

  test('a replica with user-provided certificate files rate-limits its repairs of a CA bundle that another writer keeps overwriting with another CA each time', async (t) => {
    const here = aWorld();
    const [ours, one, other] = await sets;
    const [replica] = await withFiles(t, here, [ours]);
    assert.ok(replica);
    for (let edits = 0; edits < 300; edits += 1) {
      here.world.ms += 200;
      overwrite(here, edits % 2 === 0 ? one : other);
      await replica.look();
    }
    assert.ok(here.registrations.writes() < 30, `${here.registrations.writes()} writes`);
    assert.ok(here.world.conflicts > 200, `${here.world.conflicts} conflicts reported`);
  });

  test('replicas with user-provided certificate files write nothing if the live CA bundle has the same CAs in another order', async (t) => {
    const { world, registrations, aReplica } = aWorld();
    const [one, other] = await sets;
    const inOrder = (first: CertificateSet, second: CertificateSet) => ({
      ...one,
      caBundle: joinCertificates([first.caBundle, second.caBundle]),
    });
    const replicas = await withFiles(t, { aReplica }, [inOrder(one, other), inOrder(other, one)]);
    for (let looks = 0; looks < 30; looks += 1) for (const { look } of replicas) await look();
    assert.deepEqual([registrations.writes(), world.conflicts], [1, 0]);
  });
});

const damages = {
  registration: ({ registrations }: ReturnType<typeof aWorld>) => {
    registrations.edit((live) => {
      for (const webhook of live.webhooks ?? []) webhook.timeoutSeconds = 9;
    });
    return () => registrations.current()?.webhooks?.[0]?.timeoutSeconds === 5;
  },
  Secret: ({ secrets }: ReturnType<typeof aWorld>) => {
    secrets.put(undefined);
    return () => secrets.current() !== undefined;
  },
} as const;

describe('repairs that the API server refuses', () => {
  for (const [what, damage] of Object.entries(damages)) {
    test(`a repair of the ${what} that the API server refuses is not counted as a conflict, and succeeds in the first reconcile that is not refused`, async () => {
      const here = aWorld();
      const { look } = await here.aReplica({ 'rotate-on-start': 'false' });
      here.world.refuses = true;
      const isRepaired = damage(here);
      for (let minute = 1; minute <= 40; minute += 1) {
        here.world.ms = minute * MINUTE_MS;
        await assert.rejects(look, { code: 'KUBE_FORBIDDEN' });
      }
      here.world.refuses = false;
      await look();
      assert.deepEqual([isRepaired(), here.world.conflicts], [true, 0]);
    });
  }
});

describe('a Secret that cannot be updated', () => {
  test('if the API server refuses the Secret that replaces an immutable Secret, the replica later creates it with the CA, labels and data of the old Secret', async () => {
    const { world, secrets, aReplica } = aWorld();
    const { look, presented } = await aReplica({ 'rotate-on-start': 'false' });
    const before = secrets.current();
    assert.ok(before);
    const labels = { ...before.labels, team: 'platform' };
    const annotations = { ...before.annotations, [ROTATE]: 'serving' };
    secrets.put({ ...before, labels, annotations, data: { ...before.data, note: toBase64('x') }, isImmutable: true });
    world.refuses = true;
    for (let minute = 1; minute <= 3; minute += 1) {
      world.ms = minute * MINUTE_MS;
      await assert.rejects(look, { code: 'KUBE_FORBIDDEN' });
      assert.deepEqual([secrets.current(), presented()], [undefined, fromSecret(before).serving.certificate]);
    }
    world.refuses = false;
    await look();
    const after = secrets.current();
    assert.ok(after);
    assert.deepEqual([after.isImmutable, after.labels.team, after.data.note], [false, 'platform', toBase64('x')]);
    assert.deepEqual(fromSecret(after).ca, fromSecret(before).ca);
    assert.equal(after.annotations[ROTATE], undefined, 'the request is answered');
  });

  test('a CA rotation finishes although a policy makes each Secret immutable, with one recreation for each step', async () => {
    const { world, secrets, aReplica } = aWorld();
    world.freezes = true;
    const { look, isTrusted } = await aReplica({ 'rotate-on-start': 'false' });
    const before = secrets.current();
    assert.ok(before?.isImmutable);
    const writes = secrets.writes();
    secrets.put({ ...before, annotations: { ...before.annotations, [ROTATE]: 'ca' } });
    for (let minute = 1; minute <= 6; minute += 1) {
      world.ms = minute * MINUTE_MS;
      await look();
      assert.ok(isTrusted());
    }
    const after = secrets.current();
    assert.ok(after);
    assert.notDeepEqual(fromSecret(after).ca, fromSecret(before).ca);
    assert.deepEqual([fromSecret(after).phase, after.annotations[ROTATE]], ['stable', undefined]);
    // Each Secret is immutable here, so each of the four steps (announce, settle, switch, retire) deletes and creates it.
    assert.equal(secrets.writes() - writes, 8);
  });

  test('a Secret that another client deletes is replaced by one with a new CA', async () => {
    const { secrets, aReplica } = aWorld();
    const { look } = await aReplica({ 'rotate-on-start': 'false' });
    const before = secrets.current();
    assert.ok(before);
    secrets.put(undefined);
    await look();
    const after = secrets.current();
    assert.ok(after);
    assert.notDeepEqual(fromSecret(after).ca, fromSecret(before).ca);
  });
});

describe('a replica that starts while a lost CA is replaced', () => {
  const losses: Readonly<Record<string, (secret: StoredSecret) => StoredSecret | undefined>> = {
    'the Secret was deleted': () => undefined,
    'the CA key was deleted': (secret) => ({ ...secret, data: { ...secret.data, 'ca.key': '' } }),
  };
  for (const [what, lose] of Object.entries(losses)) {
    test(`while a lost CA is replaced, a starting replica presents the former certificate until all replicas switch to the new one: ${what}`, async () => {
      const { world, secrets, aReplica } = aWorld();
      const flags = { 'rotate-on-start': 'false' };
      const running = await aReplica(flags);
      const former = running.presented();
      const secret = secrets.current();
      assert.ok(secret);
      secrets.put(lose(secret));
      await running.look();
      const starting = await aReplica(flags);
      assert.deepEqual([running.presented(), starting.presented()], [former, former]);
      for (let minute = 0; minute < 6; minute += 1) {
        world.ms += MINUTE_MS;
        for (const { look, isTrusted } of [running, starting]) {
          await look();
          assert.ok(isTrusted());
        }
      }
      const set = fromSecret(secrets.current() ?? secret);
      assert.deepEqual([set.phase, set.former], ['stable', undefined]);
      const { certificate } = set.serving;
      assert.notEqual(certificate, former);
      assert.deepEqual([running.presented(), starting.presented()], [certificate, certificate]);
    });
  }

  test('a starting replica presents the certificate that the running replica presents, even if a third replica has already replaced the CA', async () => {
    const { secrets, aReplica } = aWorld();
    const running = await aReplica({});
    const former = running.presented();
    secrets.put(undefined);
    const replacing = await aReplica({});
    await running.look();
    const starting = await aReplica({});
    assert.notEqual(replacing.presented(), former);
    assert.deepEqual([running.presented(), starting.presented()], [former, former]);
  });

  test('a starting replica presents the new certificate if no running replica presents an older one', async () => {
    const { secrets, aReplica } = aWorld();
    const first = await aReplica({});
    secrets.put(undefined);
    const second = await aReplica({});
    assert.notEqual(second.presented(), first.presented());
    assert.equal(second.presented(), fromSecret(secrets.current() as StoredSecret).serving.certificate);
  });
});

describe('a running replica keeps its certificate and its CA bundle', () => {
  const names = { dns: ['other.ops.svc'], ip: [] };
  /** A Secret of another issuer: a CA without name constraints, and no private key of the CA. */
  async function ofAnotherIssuer(secret: StoredSecret, labels: StoredSecret['labels']): Promise<StoredSecret> {
    const { ca } = await aCertificateSet({ nth: 4, options: { names } });
    const { certificate, privateKey } = await issueServingCertificate(certificateOptions(), ca, ISSUED_AT);
    const pems = { 'tls.crt': certificate, 'tls.key': privateKey, 'ca.crt': ca.certificate };
    const data = Object.fromEntries(Object.entries(pems).map(([key, pem]) => [key, toBase64(pem)]));
    return { ...secret, labels, annotations: {}, data };
  }
  const cases = {
    'another issuer takes over the Secret': { labels: {}, refuses: false, code: 'SECRET_NOT_OURS' },
    'another issuer writes the Secret and its repair is refused': {
      labels: MANAGED_BY,
      refuses: true,
      code: 'KUBE_FORBIDDEN',
    },
  };
  for (const [what, { labels, refuses, code }] of Object.entries(cases)) {
    test(`a running replica keeps its certificate and its CA bundle if ${what}`, async () => {
      const { world, registrations, secrets, aReplica } = aWorld();
      const { look, presented } = await aReplica({ 'rotate-on-start': 'false' });
      await look();
      const before = [presented(), liveBundle(registrations.current())];
      const secret = secrets.current();
      assert.ok(secret);
      secrets.put(await ofAnotherIssuer(secret, labels));
      // A replica without the Lease patches the CA bundle, and the simulated API server refuses no patches.
      Object.assign(world, { refuses, isLeaseHolder: false });
      for (let looks = 0; looks < 3; looks += 1) {
        await assert.rejects(look, { code });
        assert.deepEqual([presented(), liveBundle(registrations.current())], before);
      }
    });
  }
});

describe('a replica without the Lease', () => {
  const deletions: Readonly<Record<string, (registrations: FakeRegistrationStore) => void>> = {
    'another writer deletes the registration': ({ remove }) => remove(),
    'another writer deletes the webhook entry': ({ edit }) => edit((live) => (live.webhooks = [])),
    'another writer deletes the rules': ({ edit }) => edit((live) => delete ownWebhook(live)?.rules),
  };
  for (const [what, damage] of Object.entries(deletions)) {
    test(`a replica without the Lease rate-limits its repairs and reports the conflict if ${what} repeatedly`, async () => {
      const { world, registrations, aReplica } = aWorld();
      const { look } = await aReplica({ 'rotate-on-start': 'false' });
      world.isLeaseHolder = false;
      await look();
      for (let times = 0; times < 100; times += 1) {
        world.ms += 200;
        damage(registrations);
        await look();
      }
      assert.ok(registrations.writes() < 30, `${registrations.writes()} writes`);
      assert.ok(world.conflicts > 60, `${world.conflicts} conflicts reported`);
    });
  }
});

describe('repairs that always lose to another writer', () => {
  test('a repair of the registration that always loses to another writer counts as a conflict and is rate-limited', async () => {
    const here = aWorld();
    const { look } = await here.aReplica({ 'rotate-on-start': 'false' });
    here.world.meddles = true;
    here.world.tries = 0;
    damages.registration(here);
    for (let second = 1; second <= 60; second += 1) {
      here.world.ms = second * 1_000;
      await look();
    }
    assert.ok(here.world.tries < 30, `${here.world.tries} tries`);
    assert.ok(here.world.conflicts > 30, `${here.world.conflicts} conflicts reported`);
  });

  test('a repair of the Secret that always loses to another writer counts as a conflict and is rate-limited', async () => {
    const here = aWorld();
    const { look } = await here.aReplica({ 'rotate-on-start': 'false' });
    const stored = here.secrets.current();
    assert.ok(stored);
    here.secrets.put({ ...stored, data: { ...stored.data, 'tls.key': 'junk' } });
    here.world.meddles = true;
    here.world.tries = 0;
    const outcomes: string[] = [];
    for (let second = 1; second <= 10; second += 1) {
      here.world.ms = second * 1_000;
      await look().then(
        () => outcomes.push('held'),
        ({ code }) => outcomes.push(code),
      );
    }
    assert.deepEqual(outcomes.slice(0, 2), ['KUBE_CONFLICT', 'KUBE_CONFLICT']);
    assert.ok(here.world.tries <= 30, `${here.world.tries} tries, ten to a look`);
    assert.ok(here.world.conflicts > 5, `${here.world.conflicts} conflicts reported`);
  });
});

describe('a replica that acts as the holder of the Lease', () => {
  const timeout = ({ registrations }: ReturnType<typeof aWorld>) =>
    registrations.current()?.webhooks?.[0]?.timeoutSeconds;

  test('a replica that acts as the Lease holder repairs the CA bundle without a read of the Lease', async () => {
    const here = aWorld();
    const { look, isTrusted } = await here.aReplica({ 'rotate-on-start': 'false' });
    here.registrations.edit(({ webhooks = [] }) => {
      for (const { clientConfig } of webhooks) delete clientConfig.caBundle;
    });
    await look();
    here.registrations.edit((registration) => (registration.webhooks = []));
    await look();
    assert.deepEqual([isTrusted(), timeout(here), here.world.leaseReads], [true, 5, 0]);
  });

  test('a replica publishes its webhook spec only if a new read of the Lease shows that it still holds it', async () => {
    const here = aWorld();
    const { look } = await here.aReplica({ 'rotate-on-start': 'false' });
    here.world.stillHolds = false;
    damages.registration(here);
    await look();
    assert.deepEqual([timeout(here), here.world.leaseReads], [9, 1]);
    here.world.stillHolds = true;
    await look();
    assert.equal(timeout(here), 5);
  });
});
