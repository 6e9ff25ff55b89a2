import { readdirSync, readFileSync } from 'node:fs';

/** A figure of the process. `read` is called when Prometheus asks for it, so that a daemon at rest does nothing. */
export interface ProcessMetric {
  readonly name: string;
  readonly help: string;
  readonly isCounter?: boolean;
  /** Can throw: another system than Linux has no /proc, and a process can be out of file descriptors. */
  read(): number;
}

/**
 * The figures of the process. The names are from the client libraries of Prometheus
 * (https://prometheus.io/docs/instrumenting/writing_clientlibs/#process-metrics) and, for Node.js, from prom-client.
 *
 * prom-client has more, but a sampler of the event loop wakes the process a hundred times a second, and an observer of the garbage
 * collector runs after each collection, also if no Prometheus asks for these figures.
 */
export const processMetrics: readonly ProcessMetric[] = [
  {
    name: 'process_cpu_seconds_total',
    help: 'CPU time of the process, user and system, in seconds.',
    isCounter: true,
    read() {
      const { user, system } = process.cpuUsage();
      return (user + system) / 1e6;
    },
  },
  {
    name: 'process_start_time_seconds',
    help: 'Start of the process, in seconds since the epoch.',
    read: () => performance.timeOrigin / 1000,
  },
  {
    name: 'process_resident_memory_bytes',
    help: 'Resident memory in bytes.',
    read: () => process.memoryUsage.rss(),
  },
  {
    name: 'process_open_fds',
    help: 'Number of open file descriptors.',
    // One of them is the descriptor of the folder while it is read.
    read: () => readdirSync('/proc/self/fd').length - 1,
  },
  {
    name: 'process_max_fds',
    help: 'Maximum number of open file descriptors.',
    read: () => Number(/^Max open files +(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1]),
  },
  {
    name: 'nodejs_heap_size_total_bytes',
    help: 'Size of the heap of V8 in bytes.',
    read: () => process.memoryUsage().heapTotal,
  },
  {
    name: 'nodejs_heap_size_used_bytes',
    help: 'Used part of the heap of V8 in bytes.',
    read: () => process.memoryUsage().heapUsed,
  },
  {
    name: 'nodejs_external_memory_bytes',
    help: 'Memory of objects outside of the heap of V8, such as buffers, in bytes.',
    read: () => process.memoryUsage().external,
  },
];
