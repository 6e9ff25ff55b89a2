import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { proxyFromEnvironment } from '../../../src/kube/proxy.ts';

const PROXY = 'http://proxy:3128';

describe('the proxy of the environment', () => {
  const used: readonly (readonly [server: string, noProxy: string])[] = [
    ['https://api.example.com', ''],
    ['https://api.example.com', 'example.org, 10.0.0.0/8'],
    ['https://api.example.com', 'ple.com'],
    ['https://example.com', '.example.com'],
    ['https://example.com', '*.example.com'],
    ['https://api.example.com:6443', 'example.com:443'],
    ['https://10.1.2.3', '10.1.0.0/24'],
    ['https://10.1.2.3', '10.1.2'],
    ['https://10.1.2.3', '10.1.2.3/33,10.1.2.3/,10.1.2.3/x'],
    ['https://10.1.2.3:6443', '10.1.2.3:443'],
    ['https://[fd00::1]', 'fd01::/16,0.0.0.0/0'],
  ];
  for (const [server, noProxy] of used) {
    test(`${server} is called through the proxy with NO_PROXY=${noProxy}`, () => {
      assert.equal(proxyFromEnvironment(new URL(server), { HTTPS_PROXY: PROXY, NO_PROXY: noProxy }), PROXY);
    });
  }

  const unused: readonly (readonly [server: string, noProxy: string])[] = [
    ['https://localhost:6443', ''],
    ['https://127.9.9.9:6443', ''],
    ['https://[::1]:6443', ''],
    ['https://api.example.com', '*'],
    ['https://api.example.com', 'example.com'],
    ['https://example.com', 'example.com'],
    ['https://API.example.com', 'x, .EXAMPLE.com ,y'],
    ['https://api.example.com', '*.example.com'],
    ['https://api.example.com:6443', 'example.com:6443'],
    ['https://api.example.com', 'example.com:443'],
    ['https://10.1.2.3', '10.0.0.0/8'],
    ['https://10.1.2.3', '10.1.2.3/32'],
    ['https://10.1.2.3', '0.0.0.0/0'],
    ['https://10.1.2.3', '10.1.2.3'],
    ['https://10.1.2.3:6443', '10.1.2.3:6443'],
    ['https://[fd00::1]', 'fd00::/8'],
    ['https://[fd00::1]', 'fd00:0:0::1'],
    ['https://[fd00::1]:6443', '[fd00::1]:6443'],
  ];
  for (const [server, noProxy] of unused) {
    test(`${server} is called without the proxy with NO_PROXY=${noProxy}`, () => {
      assert.equal(proxyFromEnvironment(new URL(server), { HTTPS_PROXY: PROXY, NO_PROXY: noProxy }), undefined);
    });
  }

  const server = new URL('https://api.example.com');
  test('HTTP_PROXY and ALL_PROXY are not used for an https server', () => {
    assert.equal(proxyFromEnvironment(server, { HTTP_PROXY: PROXY, ALL_PROXY: PROXY }), undefined);
  });
  test('the lower case of a variable is used before the upper case', () => {
    const env = { https_proxy: PROXY, HTTPS_PROXY: 'http://other', no_proxy: 'other', NO_PROXY: '*' };
    assert.equal(proxyFromEnvironment(server, env), PROXY);
  });
  test('a proxy without a scheme is an http proxy', () => {
    assert.equal(proxyFromEnvironment(server, { HTTPS_PROXY: 'proxy:3128' }), PROXY);
  });
});
