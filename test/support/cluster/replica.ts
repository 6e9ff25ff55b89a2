import { freePort } from '../../../tools/control-plane/free-port.ts';
import { type Daemon, type DaemonOptions, startDaemon } from './daemon.ts';
import type { Backend, Service } from './service.ts';

/** A daemon that is one of several backends of a Service. */
export interface Replica extends Daemon, Backend {}

/** Starts a daemon on free ports and adds it to the Service, which probes its readiness. */
export async function startReplica(
  service: Service,
  options: Omit<DaemonOptions, 'port' | 'servicePort' | 'probesPort'>,
): Promise<Replica> {
  const probesPort = await freePort();
  const daemon = await startDaemon({ ...options, servicePort: service.port, probesPort });
  const replica = { ...daemon, probesPort };
  service.add(replica);
  return replica;
}
