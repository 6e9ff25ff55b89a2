import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { describe, type TestContext, test } from 'node:test';
import type { ConfigurationReference, ConfigurationStore } from '../../../src/backstop/configuration-store.ts';
import type { JobEvent } from '../../../src/backstop/job-events.ts';
import { asObject } from '../../../src/lib/json.ts';

export interface ConfigurationsUnderTest {
  readonly store: ConfigurationStore;
  /** Creates a Configuration in a new namespace. */
  create(namespace: string, name: string): Promise<ConfigurationReference>;
  /** Returns the messages of the Events about a Configuration. */
  messages(configuration: ConfigurationReference): Promise<readonly (string | undefined)[]>;
}

/** Contract tests of ConfigurationStore, for the fake and for the store on an API server. */
export function configurationStoreContract(
  under: string,
  make: (t: TestContext) => Promise<ConfigurationsUnderTest>,
): void {
  /** Each test has names of its own, because the tests share one API server. */
  const aName = (prefix: string) => `${prefix}-${randomUUID().slice(0, 8)}`;
  const uidOf = (configuration: unknown) => asObject(asObject(configuration).metadata).uid;
  const event = (name: string, note: string): JobEvent => ({ name, reason: 'ApplyFailed', action: 'explain', note });

  describe(`ConfigurationStore contract: ${under}`, () => {
    test('read() of the Configuration store returns the Configuration of a namespace and a name, or undefined', async (t) => {
      const { store, create } = await make(t);
      const [team, name] = [aName('team'), aName('bucket')];
      const { uid } = await create(team, name);
      assert.equal(uidOf(await store.read({ namespace: team, name })), uid);
      assert.equal(uidOf(await store.read({ namespace: team, name, uid })), uid);
      assert.equal(await store.read({ namespace: team, name: 'another' }), undefined);
      assert.equal(await store.read({ namespace: 'no-such-namespace', name }), undefined);
      assert.equal(await store.read({ namespace: team, name, uid: randomUUID() }), undefined);
    });

    test('read() of the Configuration store finds one of twelve Configurations of the same name by its uid', async (t) => {
      const { store, create } = await make(t);
      const name = aName('bucket');
      const namesakes: ConfigurationReference[] = [];
      for (let nth = 0; nth < 12; nth += 1) namesakes.push(await create(aName('team'), name));
      for (const { namespace, uid } of namesakes) {
        const found = asObject(asObject(await store.read({ name, uid })).metadata);
        assert.deepEqual([found.namespace, found.name, found.uid], [namespace, name, uid]);
      }
      assert.equal(await store.read({ name, uid: randomUUID() }), undefined);
    });

    test('writeEvent() of the Configuration store creates one Event for each name, and reports whether it is new', async (t) => {
      const { store, create, messages } = await make(t);
      const configuration = await create(aName('team'), aName('bucket'));
      assert.equal(await store.writeEvent(configuration, event('apply-failed.1', 'first')), true);
      assert.equal(await store.writeEvent(configuration, event('apply-failed.1', 'again')), false);
      assert.equal(await store.writeEvent(configuration, event('apply-failed.2', 'second')), true);
      assert.deepEqual((await messages(configuration)).toSorted(), ['first', 'second']);
    });
  });
}
