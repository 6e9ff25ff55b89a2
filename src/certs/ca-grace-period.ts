import { type Pem, splitCertificates } from '../lib/pem.ts';
import { parseCertificate } from './x509.ts';

/** Longer than a kubelet takes to bring changed files into every Pod, and than most rollouts. */
export const KEPT_MS = 180_000;
/** Whatever somebody puts into the bundle again and again, it must not grow until no object can hold it. */
export const MOST_KEPT = 8;

export interface Kept {
  readonly authorities: readonly Pem[];
  /** Milliseconds until the first of them goes; `undefined` where there is none. */
  readonly untilMs: number | undefined;
}

/**
 * Remembers what others have put into the live bundle beside our own authorities, and keeps it for three minutes. Files that
 * somebody has brought reach one replica up to minutes after another, and nothing tells an authority that a replica has read
 * already, or presents by still, from any other. Who may write the registration may do more than have one trusted so long.
 *
 * @param uptimeMs milliseconds on a clock that nobody sets.
 */
export function keepAuthorities(uptimeMs: () => number): (liveBundle: Pem | undefined, own: Pem) => Kept {
  let sinceMs: ReadonlyMap<Pem, number> = new Map();
  return (liveBundle, own) => {
    const [ours, nowMs] = [splitCertificates(own), uptimeMs()];
    const others = splitCertificates(liveBundle ?? '').filter((pem) => !ours.includes(pem) && parseCertificate(pem));
    sinceMs = new Map(others.slice(0, MOST_KEPT).map((pem) => [pem, sinceMs.get(pem) ?? nowMs]));
    const kept = [...sinceMs].filter(([, ms]) => nowMs - ms < KEPT_MS);
    return {
      authorities: kept.map(([pem]) => pem),
      untilMs: kept.length === 0 ? undefined : Math.min(...kept.map(([, ms]) => KEPT_MS - (nowMs - ms))),
    };
  };
}
