import type { DispatcherOptions } from '@kubernetes/client-node';

/** undici's connector reads `allowH2`; the client's types lack it, hence the type `object`. */
const HTTP1: object = { allowH2: false };

/**
 * The client's connection options, limited to HTTP/1.1. The client would choose HTTP/2, over which Node.js 24.21 once wrote empty
 * DATA frames without end: the process answered no request and grew by 50 MB a second (docs/adr/0014).
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
    // The SOCKS agent offers no ALPN protocol in the TLS handshake, so it uses HTTP/1.1.
    case 'socks':
      return options;
  }
}
