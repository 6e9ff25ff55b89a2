import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { createWatchedFile } from '../../../src/lib/watched-file.ts';
import { readPolicyFile } from '../../../src/policy/file.ts';
import { type Policy, terraformPolicy } from '../../../src/policy/policy.ts';
import { aFolder } from '../../support/builders/a-folder.ts';
import { callCommand } from '../../support/command-in-process.ts';

const policy = (backoffLimit: number): Policy => ({
  rules: [{ name: 'a', match: { jobName: '*' }, set: { backoffLimit, restartPolicy: 'Never' } }],
});
const text = (backoffLimit: number) => JSON.stringify(policy(backoffLimit));

async function start(t: TestContext) {
  const folder = await aFolder(t, { 'policy.yaml': text(1) });
  const file = join(folder, 'policy.yaml');
  const first = readPolicyFile(file);
  assert.ok('value' in first);
  return { folder, file, policies: createWatchedFile(file, readPolicyFile, first.value) };
}

describe('the policy that the daemon uses', () => {
  test('the built-in policy is used if there is no policy file', () => {
    const policies = createWatchedFile(undefined, readPolicyFile, terraformPolicy);
    assert.deepEqual(readPolicyFile(undefined), { value: terraformPolicy });
    assert.equal(policies.reload(), 'unchanged');
    assert.equal(policies.current(), terraformPolicy);
  });

  test('a changed policy file changes the policy of the daemon', async (t) => {
    const { file, policies } = await start(t);
    assert.equal(policies.reload(), 'unchanged');
    await writeFile(file, text(2));
    assert.deepEqual(policies.current(), policy(1), 'not before it is read');
    assert.deepEqual(policies.reload(), { value: policy(2) });
    assert.deepEqual(policies.current(), policy(2));
    assert.equal(policies.reload(), 'unchanged');
  });

  test('the last valid policy stays in use while the policy file is invalid, and the problem is reported once', async (t) => {
    const { file, policies } = await start(t);
    await writeFile(file, 'rules: 1');
    const problems = ['line 1: rules: invalid value 1: must be a list of 1 to 32 rules'];
    assert.deepEqual(policies.reload(), { problems });
    assert.equal(policies.reload(), 'unchanged');
    assert.deepEqual(policies.current(), policy(1));
    await rm(file);
    const read = policies.reload();
    assert.ok(typeof read === 'object' && 'problems' in read && /ENOENT/.test(String(read.problems)));
    await writeFile(file, text(1));
    assert.deepEqual(policies.reload(), { value: policy(1) }, 'good again, although it is the same');
  });

  test('readPolicyFile refuses a file over 64 KiB, bytes that are not UTF-8, and a folder', async (t) => {
    const { folder, file } = await start(t);
    await writeFile(file, ' '.repeat(65_537));
    assert.deepEqual(readPolicyFile(file), { problems: ['65537 bytes: must be at most 65536 bytes'] });
    // UTF-16LE with a byte order mark, as Windows PowerShell writes text.
    await writeFile(file, `\ufeff${text(1)}`, 'utf16le');
    const isText = 'must be text in UTF-8';
    assert.deepEqual(readPolicyFile(file), { problems: [isText] });
    await writeFile(file, `\ufeff${text(1)}`);
    assert.deepEqual(readPolicyFile(file), { value: policy(1) });
    const pipe = join(folder, 'pipe');
    execFileSync('mkfifo', [pipe]);
    for (const other of [folder, pipe, '/dev/zero']) {
      assert.deepEqual(readPolicyFile(other), {
        problems: ['must be a regular file, not a folder, a device or a pipe'],
      });
    }
  });

  test('a policy file in a ConfigMap volume is read again after the kubelet has swapped the links', async (t) => {
    const [one, two] = [await aFolder(t, { p: text(1) }), await aFolder(t, { p: text(2) })];
    const folder = await aFolder(t);
    await symlink(one, join(folder, '..data'));
    await symlink(join('..data', 'p'), join(folder, 'p'));
    const policies = createWatchedFile(join(folder, 'p'), readPolicyFile, policy(1));
    assert.equal(policies.reload(), 'unchanged');
    await rm(join(folder, '..data'));
    await symlink(two, join(folder, '..data'));
    assert.deepEqual(policies.reload(), { value: policy(2) });
  });
});

describe('the policy file on the command line', { concurrency: 3 }, () => {
  test('the problems of an invalid policy file and of invalid options are in one error, and terraform-daemon exits with code 2', async (t) => {
    const file = join(await aFolder(t, { 'policy.yaml': 'rules:\n- name: A\n  rule: 1\n' }), 'policy.yaml');
    const { exitCode, stdout, stderr } = await callCommand(['run', '--policy-file', file, '--service-port=0']);
    assert.deepEqual([exitCode, stdout], [2, '']);
    const problems = stderr.split('\n').filter((line) => line.startsWith('  --'));
    const ofFile = problems.filter((line) => line.startsWith('  --policy-file (TERRAFORM_DAEMON_POLICY_FILE): '));
    assert.deepEqual(
      ofFile.map((line) => /line \d+: [\w.[\]]+: [^:;]*/.exec(line)?.[0]),
      [
        'line 2: rules[0].name: invalid value "A"',
        'line 2: rules[0].match: required',
        'line 2: rules[0].set: required',
        'line 3: rules[0].rule: unknown field',
      ],
    );
    assert.match(stderr, /--service-port/);
  });

  test('the command policy prints its two objects (policy and binding) with the API version that --api-version sets', async (t) => {
    const file = join(await aFolder(t, { 'policy.yaml': text(7) }), 'policy.yaml');
    const env = { TERRAFORM_DAEMON_POLICY_FILE: file };
    const { exitCode, stdout, stderr } = await callCommand(['policy', '--api-version=v1beta1'], env);
    assert.deepEqual([exitCode, stderr], [0, '']);
    const objects = stdout.split('---\n');
    assert.equal(objects.length, 2);
    for (const object of objects) assert.match(object, /^apiVersion: admissionregistration\.k8s\.io\/v1beta1\n/);
    assert.match(
      stdout,
      /true \? \{'rule': dyn\('a'\), 'backoffLimit': dyn\(7\), 'restartPolicy': dyn\('Never'\)\} :\n/,
    );
  });
});
