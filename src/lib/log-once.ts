import type { Log } from './log.ts';

/**
 * The first failure of a kind is a warning, those that follow are not until it has worked again; and not within a minute
 * of the last warning, as some may fail while others work.
 */
export interface TellOnce {
  failed(message: string, fields: object): void;
  done(message: string): void;
}

const QUIET_MS = 60_000;

export function onceUntilDone(log: Log, now = (): Date => new Date()): TellOnce {
  const warnings = new Map<string, { readonly atMs: number; isOver: boolean }>();
  return {
    failed(message, fields) {
      const atMs = now().getTime();
      const last = warnings.get(message);
      const isNews = last === undefined || (last.isOver && Math.abs(atMs - last.atMs) >= QUIET_MS);
      if (isNews) warnings.set(message, { atMs, isOver: false });
      log[isNews ? 'warn' : 'debug'](message, fields);
    },
    done(message) {
      const last = warnings.get(message);
      if (last) last.isOver = true;
    },
  };
}
