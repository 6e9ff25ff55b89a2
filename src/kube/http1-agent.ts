import type { DispatcherOptions } from '@kubernetes/client-node';
import { Agent, type Dispatcher, ProxyAgent } from 'undici';

/** Options of each agent. For a SOCKS proxy, undici ignores them, and uses HTTP/1.1 only. */
const OPTIONS = {
  // HTTP/1.1 only. Over HTTP/2, Node.js 24.21 once wrote empty DATA frames without end: the process answered no request and
  // its memory grew to 8 GB (docs/adr/0014).
  allowH2: false,
  // Longer than the pause between two checks of the Lease, so that the checks share a connection. Shorter than the idle
  // timeout of API servers (90 s), so that this side closes an idle connection.
  keepAliveTimeout: 30_000,
  // Each call and each watch has a timeout of its own. A timeout of undici would wake the process every 500 ms.
  bodyTimeout: 0,
  headersTimeout: 0,
} as const;

/** Returns an agent of undici with the connection options of the Kubernetes client. */
export function createHttp1Agent(options: DispatcherOptions): Dispatcher {
  switch (options.type) {
    // The casts are needed because undici's types do not allow `undefined` for an absent option.
    case 'agent':
      return new Agent({ ...OPTIONS, connect: options.connect as object });
    case 'none':
      return new Agent(OPTIONS);
    // client-node's own SOCKS connector drops the TLS server name and the password. undici's proxy agent keeps them.
    case 'proxy':
    case 'socks':
      return new ProxyAgent({ ...OPTIONS, uri: options.uri, requestTls: options.requestTls as object });
  }
}
