import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { decideSource, type Findings } from '../../../tools/control-plane/binary-source.ts';

const names = ['etcd', 'kube-apiserver'] as const;
const folder = { path: '/assets', versions: 'etcd 3.7.3, kube-apiserver 1.37.2' };
const nothing: Findings = { names, assets: undefined, areBuilt: false, envtest: undefined };

describe('decideSource', () => {
  it('decideSource takes the binaries of KUBEBUILDER_ASSETS also if an earlier build is in the cache', () => {
    assert.deepEqual(decideSource({ ...nothing, assets: folder, areBuilt: true }), {
      from: 'KUBEBUILDER_ASSETS',
      reason: 'the variable is set',
      folder,
    });
  });

  it('decideSource takes an earlier build before a download', () => {
    assert.deepEqual(decideSource({ ...nothing, areBuilt: true }), {
      from: 'Go modules',
      reason: 'an earlier build is in the cache',
    });
  });

  it('decideSource asks for a download if no binaries are on the machine, and takes the downloaded folder', () => {
    const reason = 'KUBEBUILDER_ASSETS is not set and no earlier build is in the cache';
    assert.deepEqual(decideSource(nothing), { from: 'setup-envtest', reason });
    assert.deepEqual(decideSource({ ...nothing, envtest: folder }), { from: 'setup-envtest', reason, folder });
  });

  it('decideSource builds the binaries if the download failed, and gives its error as the reason', () => {
    assert.deepEqual(decideSource({ ...nothing, envtest: { failure: 'setup-envtest: no such host' } }), {
      from: 'Go modules',
      reason: 'the download failed: setup-envtest: no such host',
    });
  });

  it('decideSource downloads nothing if kube-controller-manager is needed, which setup-envtest does not have', () => {
    assert.deepEqual(decideSource({ ...nothing, names: [...names, 'kube-controller-manager', 'kubectl'] }), {
      from: 'Go modules',
      reason: 'setup-envtest has no kube-controller-manager',
    });
  });
});
