import assert from 'node:assert/strict';
import { test } from 'node:test';
import { touchCommand } from '../../../src/terraform/retry-commands.ts';
import { pasted } from '../../support/pasted.ts';

test('the command that annotates a Configuration names the API group of the Configuration', async () => {
  const line = touchCommand({ namespace: 'team-a', name: 'oss-bucket' }, new Date(0).toISOString());
  const kind = 'configurations.terraform.core.oam.dev';
  const annotate = ['kubectl', '-n', 'team-a', 'annotate', '--overwrite', kind, 'oss-bucket'];
  assert.deepEqual(await pasted(line), [[...annotate, 'terraform.job.kb.io/retried-at=1970-01-01T00:00:00.000Z']]);
});
