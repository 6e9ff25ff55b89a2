import { get } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';

const PROBE_EVERY_MS = 250;
const PROBE_TIMEOUT_MS = 1_000; // the default `timeoutSeconds` of a probe

/** Probes readiness as the kubelet does. */
export interface ReadinessProbe {
  /**
   * Returns the result of the last probe; false before the first response. One failure is enough; the kubelet needs
   * three.
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
  const probeUntilStopped = async () => {
    while (!stopped.signal.aborted) {
      isReady = await answersOk(port, stopped.signal);
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

function answersOk(port: number, signal: AbortSignal): Promise<boolean> {
  return new Promise((resolve) => {
    const target = { host: '127.0.0.1', port, path: '/readyz', agent: false, timeout: PROBE_TIMEOUT_MS, signal };
    const request = get(target, (response) => {
      response.resume();
      resolve(response.statusCode === 200);
    });
    request.on('timeout', () => request.destroy());
    request.on('error', () => resolve(false));
  });
}
