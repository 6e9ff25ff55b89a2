import { once } from 'node:events';
import type { AddressInfo, Server } from 'node:net';
import { messageOf, OperatorError } from './errors.ts';

export interface ListenOptions {
  /** The port to listen on; 0 selects any free port. */
  readonly port: number;
  /** The address to listen on; `undefined` means all addresses. */
  readonly address: string | undefined;
}

/**
 * Makes the server listen, and resolves with the port.
 *
 * @param flags the options to name in an error.
 * @throws OperatorError `SERVER_LISTEN_FAILED`
 */
export async function listen(server: Server, { port, address }: ListenOptions, flags: string): Promise<number> {
  server.listen({ port, host: address });
  try {
    await once(server, 'listening');
  } catch (error) {
    // The message of the Node.js error has the address and the port.
    throw new OperatorError('SERVER_LISTEN_FAILED', `cannot listen (${flags}): ${messageOf(error)}`, { cause: error });
  }
  return (server.address() as AddressInfo).port;
}
