import { get } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';

const PROBE_EVERY_MS = 250;
const PROBE_TIMEOUT_MS = 1_000; // `timeoutSeconds` of the readiness probe in the manifests
/**
 * Number of probes in a row without an answer in time that make a backend unready, as `failureThreshold` of the manifests.
 * On a shared machine a process can get no processor time for a second.
 */
const LATE_PROBES = 2;

/** Probes readiness as the kubelet does. */
export interface ReadinessProbe {
  /**
   * Returns the result of the last probe; false before the first response. One refused connection or error status is
   * enough for false; the kubelet needs two.
   */
  readonly isReady: () => boolean;
  /** Stops the probe. Resolves when no connection is open. */
  readonly stop: () => Promise<void>;
}

/**
 * Requests `/readyz` on a port of 127.0.0.1 until `stop` is called. The first request is sent at once, and each later
 * request 250 ms after the previous result.
 */
export function startReadinessProbe(port: number): ReadinessProbe {
  const stopped = new AbortController();
  let isReady = false;
  let late = 0;
  const probeUntilStopped = async () => {
    while (!stopped.signal.aborted) {
      const answer = await probe(port, stopped.signal);
      late = answer === 'late' ? late + 1 : 0;
      isReady = answer === 'ok' || (isReady && late > 0 && late < LATE_PROBES);
      await delay(PROBE_EVERY_MS, undefined, { signal: stopped.signal }).catch(() => {});
    }
    isReady = false;
  };
  const probing = probeUntilStopped();
  return {
    isReady: () => isReady,
    stop: () => {
      stopped.abort();
      return probing;
    },
  };
}

function probe(port: number, signal: AbortSignal): Promise<'ok' | 'failed' | 'late'> {
  return new Promise((resolve) => {
    const target = { host: '127.0.0.1', port, path: '/readyz', agent: false, timeout: PROBE_TIMEOUT_MS, signal };
    const request = get(target, (response) => {
      response.resume();
      resolve(response.statusCode === 200 ? 'ok' : 'failed');
    });
    request.on('timeout', () => {
      resolve('late');
      request.destroy();
    });
    request.on('error', () => resolve('failed'));
  });
}
