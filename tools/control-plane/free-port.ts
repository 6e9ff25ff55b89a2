import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:net';

/**
 * The lowest and the highest port that `freePort` returns. The kernel assigns ports from 32768 by default
 * (ip_local_port_range) to outgoing connections and to `listen(0)`. A port in that range could be in use before the
 * caller of `freePort` listens on it.
 */
const [LOWEST, HIGHEST] = [20_000, 32_767];

/** Returns a port of 127.0.0.1 on which no process listens. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(LOWEST, HIGHEST + 1);
    if (await isFree(port)) return port;
  }
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer().listen(port, '127.0.0.1');
  try {
    await once(server, 'listening');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE') return false;
    throw error;
  }
  server.close();
  await once(server, 'close');
  return true;
}
