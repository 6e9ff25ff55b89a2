import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { freePort } from '../../../tools/control-plane/free-port.ts';

describe('the free ports of the tests', () => {
  it('no port is returned twice, also if nothing listens on it yet', async () => {
    const ports = new Set<number>();
    // Of 500 random ports about 10 are equal to an earlier one.
    for (let calls = 0; calls < 500; calls += 1) ports.add(await freePort());
    assert.equal(ports.size, 500);
  });
});
