import { Worker } from 'node:worker_threads';

/** Detects an endless loop of the tested code from a second thread. */
export interface Watchdog {
  /** Sets the name of the running target for the message. */
  about(target: string): void;
  beat(): void;
  stop(): Promise<number>;
}

const LOOK_MS = 1_000;

const program = `
const { parentPort, workerData: { beats, mostMs } } = require('node:worker_threads');
const { writeSync } = require('node:fs');
let target = '', last = -1, sinceMs = performance.now();
parentPort.on('message', (text) => { target = text; });
setInterval(() => {
  const beat = Atomics.load(beats, 0);
  if (beat !== last) { last = beat; sinceMs = performance.now(); }
  if (performance.now() - sinceMs < mostMs) return;
  writeSync(2, 'FINDING ' + target + ': no end in ' + mostMs / 1000 + ' s\\n');
  process.kill(process.pid, 'SIGKILL');
}, ${LOOK_MS});
`;

/** Starts the watchdog. It kills the process if `beat` is not called for `mostMs`. */
export function startWatchdog(mostMs: number): Watchdog {
  const beats = new Int32Array(new SharedArrayBuffer(4));
  const worker = new Worker(program, { eval: true, workerData: { beats, mostMs } });
  const beat = () => void Atomics.add(beats, 0, 1);
  return {
    about(target) {
      worker.postMessage(target);
      beat();
    },
    beat,
    stop: () => worker.terminate(),
  };
}
