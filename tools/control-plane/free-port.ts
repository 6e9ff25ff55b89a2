import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:net';

/**
 * Below what the kernel gives to outgoing connections and to `listen(0)` (ip_local_port_range, from 32768 on by default):
 * a port from there could become the source of a connection between this answer and the caller's `listen`.
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
