import type { DispatcherOptions } from '@kubernetes/client-node';

/**
 * The option with which undici offers only HTTP/1.1. The type of the constant is `object`, because the types of the
 * Kubernetes client lack the field `allowH2`.
 */
const HTTP1: object = { allowH2: false };

/**
 * Returns the connection options of the Kubernetes client, limited to HTTP/1.1. By default the client would use HTTP/2,
 * over which Node.js 24.21 once wrote empty DATA frames without end: the process answered no request and its memory
 * grew to 8 GB (docs/adr/0014).
 */
export function overHttp1(options: DispatcherOptions): DispatcherOptions {
  switch (options.type) {
    case 'agent':
      return { ...options, connect: { ...options.connect, ...HTTP1 } };
    case 'proxy':
      return { ...options, requestTls: { ...options.requestTls, ...HTTP1 } };
    // Without TLS options the client would use the agent that all of Node.js shares.
    case 'none':
      return { type: 'agent', connect: { ...HTTP1 } };
    // client-node's own SOCKS connector drops the TLS server name and the password. undici's agent uses HTTP/1.1 only.
    case 'socks':
      return { ...options, type: 'proxy', connect: {} };
  }
}
