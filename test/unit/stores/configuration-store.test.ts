import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createConfigurationStore } from '../../../src/stores/configuration-store.ts';

const NEEDS = /rbac-configurations\.yaml/;
const keys = [
  { namespace: 'team-a', name: 'bucket' },
  { name: 'bucket', uid: 'c-1' },
] as const;

const refusing = (code: number, body: unknown) =>
  createConfigurationStore(async () => {
    throw Object.assign(new Error('refused'), { code, body });
  });

describe('a Configuration that cannot be read', () => {
  test('a kind or a version that the API server does not serve has no Configurations', async () => {
    const bodies = [
      '404 page not found\n',
      JSON.stringify({
        kind: 'Status',
        reason: 'NotFound',
        message: 'the server could not find the requested resource',
      }),
    ];
    for (const body of bodies) {
      for (const key of keys) assert.equal(await refusing(404, body).read(key), undefined);
    }
  });

  test('only the error about a missing right names the file with the rights', async () => {
    const message = 'configurations.terraform.core.oam.dev "bucket" is forbidden: User "b" cannot get resource';
    const failures = [
      [403, { message }, true],
      [403, { message: 'quota exceeded' }, false],
      [500, { message: 'etcdserver: leader changed' }, false],
      [400, { message: 'field label not supported' }, false],
    ] as const;
    for (const [code, body, isNamed] of failures) {
      for (const key of keys) {
        await assert.rejects(refusing(code, JSON.stringify(body)).read(key), (error: Error) => {
          assert.equal(NEEDS.test(error.message), isNamed, error.message);
          return true;
        });
      }
    }
  });
});
