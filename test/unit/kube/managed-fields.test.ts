import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { otherWriter } from '../../../src/kube/managed-fields.ts';

const [early, late] = [new Date('2026-03-01T12:00:00Z'), new Date('2026-03-01T12:00:01Z')];
const own = { manager: 'terraform-daemon', time: late };
const ownReplica = { manager: 'terraform-daemon/replica-1', time: late };

const rows = [
  { what: 'an object without metadata', metadata: undefined, writer: undefined },
  { what: 'an object without managedFields', metadata: {}, writer: undefined },
  { what: 'an object with empty managedFields', managedFields: [], writer: undefined },
  { what: 'an object that only the daemon has written', managedFields: [own, ownReplica], writer: undefined },
  {
    what: 'an object that the daemon and another manager have written',
    managedFields: [own, { manager: 'kubectl-edit', time: early }],
    writer: 'kubectl-edit',
  },
  {
    what: 'an object of several managers, the latest first in the list',
    managedFields: [{ manager: 'argocd', time: late }, own, { manager: 'kubectl-edit', time: early }],
    writer: 'argocd',
  },
  {
    what: 'an object of several managers, the latest last in the list',
    managedFields: [{ manager: 'kubectl-edit', time: early }, ownReplica, { manager: 'argocd', time: late }],
    writer: 'argocd',
  },
  {
    what: 'an object of several managers, one without a time',
    managedFields: [{ manager: 'old' }, { manager: 'argocd', time: early }],
    writer: 'argocd',
  },
  {
    what: 'an object of a manager whose name begins with the name of the daemon',
    managedFields: [own, { manager: 'terraform-daemon-2', time: early }],
    writer: 'terraform-daemon-2',
  },
];

describe('the last other writer of an object', () => {
  for (const { what, managedFields, writer, ...given } of rows) {
    test(`otherWriter returns ${writer} for ${what}`, () => {
      assert.equal(otherWriter('metadata' in given ? given.metadata : { managedFields: managedFields ?? [] }), writer);
    });
  }

  test('otherWriter does not reorder managedFields', () => {
    const managedFields = [
      { manager: 'kubectl-edit', time: early },
      { manager: 'argocd', time: late },
    ];
    otherWriter({ managedFields });
    assert.deepEqual(
      managedFields.map(({ manager }) => manager),
      ['kubectl-edit', 'argocd'],
    );
  });
});
