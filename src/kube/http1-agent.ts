import type { DispatcherOptions } from '@kubernetes/client-node';

/** Read by undici's connector; the client's types do not know it. */
const HTTP1: object = { allowH2: false };

/**
 * The client's connection options, for HTTP/1.1 alone. Over HTTP/2, which it would take by itself, Node.js 24.21 was seen
 * to write empty DATA frames of one request without end: such a process answers nobody, and grows by 50 MB a second.
 */
export function overHttp1(options: DispatcherOptions): DispatcherOptions {
  switch (options.type) {
    case 'agent':
      return { ...options, connect: { ...options.connect, ...HTTP1 } };
    case 'proxy':
      return { ...options, requestTls: { ...options.requestTls, ...HTTP1 } };
    // Without TLS options of its own the client would use what all of Node.js shares.
    case 'none':
      return { type: 'agent', connect: { ...HTTP1 } };
    // Asks for no protocol, which is HTTP/1.1.
    case 'socks':
      return options;
  }
}
