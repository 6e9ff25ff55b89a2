import { randomInt } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer } from 'node:net';

/**
 * The lowest and the highest port that `freePort` returns. The kernel assigns ports from 32768 by default
 * (ip_local_port_range) to outgoing connections and to `listen(0)`. A port in that range could be in use before the
 * caller of `freePort` listens on it.
 */
const [LOWEST, HIGHEST] = [20_000, 32_767];
const HOST = '127.0.0.1';

/** Returns a port of 127.0.0.1 on which no process listens, and which no other call of `freePort` has returned. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(LOWEST, HIGHEST + 1);
    if ((await reserve(port)) && (await isFree(port))) return port;
  }
}

/**
 * Reserves the port until this process ends. The caller listens on the port later, or again after a restart, and in
 * between another process must not choose it. The reservation is a socket of UDP, which needs no TCP port.
 */
async function reserve(port: number): Promise<boolean> {
  const socket = createSocket('udp4').unref();
  socket.bind({ port, address: HOST, exclusive: true });
  return isBound(once(socket, 'listening'));
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer().listen(port, HOST);
  if (!(await isBound(once(server, 'listening')))) return false;
  server.close();
  await once(server, 'close');
  return true;
}

async function isBound(listening: Promise<unknown>): Promise<boolean> {
  try {
    await listening;
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE') return false;
    throw error;
  }
}
