import { type AdmissionRequest, type Span, splitAtKill } from '../support/chaos/admission-outcomes.ts';
import { allAtOnce, overlaps, type Trouble, type Window } from './windows.ts';

/** The fault that explains a lost or uncapped Job; `broken` if no fault explains it. */
export type Excuse =
  | 'inside of a killed process'
  | 'API server or etcd away'
  | 'no replica lived'
  | 'trust was cut'
  | 'inside of a frozen replica'
  | 'broken';

export interface Scene {
  readonly windows: readonly Window[];
  readonly kills: readonly Span[];
  readonly replicas: number;
}

/**
 * A replica that is frozen for less than this time still responds within the webhook timeout of five seconds. The limit
 * applies to the recorded time of the freeze, which ends half a second after the freeze itself.
 */
export const FROZEN_MS = 3_500;

/** Returns the fault that was active while the failed request was in flight. */
export function excuseOf(request: AdmissionRequest, { windows, kills, replicas }: Scene): Excuse {
  const span = { from: request.sentAt, to: request.answeredAt };
  const during = (trouble: Trouble, target?: number) =>
    windows.filter(
      (window) =>
        window.trouble === trouble && (target === undefined || window.target === target) && overlaps(window, span),
    );
  if (during('etcd').length > 0 || during('api-server', request.via).length > 0) return 'API server or etcd away';
  if (splitAtKill([request], kills).inFlightAtKill.length > 0) return 'inside of a killed process';
  if (allAtOnce(during('replica-down'), replicas, span) !== undefined) return 'no replica lived';
  if (during('trust-cut', request.via).length > 0) return 'trust was cut';
  if (during('replica-frozen').some(isLong)) return 'inside of a frozen replica';
  return 'broken';
}

const isLong = ({ from, to }: Window): boolean => (to ?? new Date()).getTime() - from.getTime() >= FROZEN_MS;

/**
 * Returns the end of the last fault in the span that prevented every repair; `from` if there was none. A fault prevents
 * every repair if all replicas are unusable at once, or if an API server or etcd is unavailable.
 */
export function ableSince(scene: Scene, { from, to }: Span): Date {
  const { windows, replicas } = scene;
  const span = { from, to };
  const useless = windows.filter(({ trouble }) => ['replica-down', 'replica-frozen', 'link'].includes(trouble));
  const api = windows.filter(({ trouble }) => trouble === 'api-server' || trouble === 'etcd');
  const ends = [...useless, ...api].flatMap(({ to }) => (to && to >= from && to <= span.to ? [to] : []));
  const wasUnable = (at: Date) =>
    api.some((window) => overlaps(window, { from: at, to: at })) ||
    allAtOnce(useless, replicas, { from: at, to: at }) !== undefined;
  return ends.filter(wasUnable).reduce((latest, end) => (end > latest ? end : latest), from);
}

/**
 * Returns whether a fault affected a replica within `withinMs` before the given time. The replica can have held the
 * Lease, so that another replica must take over first.
 */
export function wasHurtBefore({ windows }: Scene, at: Date, withinMs: number): boolean {
  const span = { from: new Date(at.getTime() - withinMs), to: at };
  return windows.some(
    (window) => ['replica-down', 'replica-frozen', 'link'].includes(window.trouble) && overlaps(window, span),
  );
}
