import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { configurationOf } from '../../../src/terraform/configuration.ts';
import type { Json } from '../../support/builders/a-job.ts';
import { recordedJob } from '../../support/builders/recorded-jobs.ts';

const apply: Json = await recordedJob('create-terraform-apply', 'team-a');
const other: Json = await recordedJob('create-terraform-apply-controller-namespace', 'vela-system');
const plain: Json = await recordedJob('create-plain-job', 'team-a');
const UID = 'cb32d57d-9351-4e33-80dc-aaf4249d0f34';
const renamed = (name: unknown, job = apply): Json => ({ ...job, metadata: { ...job.metadata, name } });
const withPod = (change: object): Json => {
  const { template, ...spec } = apply.spec;
  return { ...apply, spec: { ...spec, template: { ...template, spec: { ...template.spec, ...change } } } };
};

describe('the Configuration of a Job', () => {
  it('a recorded Job of terraform-controller has the Configuration in its own namespace', () => {
    const expected = { action: 'apply', namespace: 'team-a', name: 'oss-bucket' };
    assert.deepEqual(configurationOf(apply), expected);
    assert.deepEqual(configurationOf(renamed('oss-bucket-destroy')), { ...expected, action: 'destroy' });
  });

  it('with --controller-namespace a recorded Job has the uid and the name of its Configuration', () => {
    assert.deepEqual(configurationOf(other), { action: 'apply', uid: UID, name: 'rds-instance' });
  });

  it('a Configuration whose name is a uid is in the namespace of the Job', () => {
    const [, ...volumes] = other.spec.template.spec.volumes;
    const job = structuredClone(other);
    job.spec.template.spec.volumes = [{ name: UID, emptyDir: {} }, ...volumes];
    assert.deepEqual(configurationOf(job), { action: 'apply', namespace: 'vela-system', name: UID });
  });

  it('a Job without the name, account, container or volumes of terraform-controller has no Configuration', () => {
    const jobs = [
      ...[undefined, {}, plain, { ...apply, metadata: undefined }],
      ...['oss-bucket', 'oss-bucket-plan', '-apply', 'other-apply', undefined].map((name) => renamed(name)),
      ...[withPod({ serviceAccountName: 'default' }), withPod({ containers: [{ name: 'main' }] })],
      ...[withPod({ volumes: [] }), withPod({ volumes: null }), withPod({ volumes: [{}, {}] })],
      withPod({ volumes: [{ name: 'other' }, ...apply.spec.template.spec.volumes.slice(1)] }),
    ];
    for (const job of jobs) assert.equal(configurationOf(job), undefined, JSON.stringify(job));
  });
});
