import type { Log } from './log.ts';

/** The first failure of a kind is a warning, those that follow are not until it has worked again. */
export interface TellOnce {
  failed(message: string, fields: object): void;
  done(message: string): void;
}

export function onceUntilDone(log: Log): TellOnce {
  const told = new Set<string>();
  return {
    failed(message, fields) {
      log[told.has(message) ? 'debug' : 'warn'](message, fields);
      told.add(message);
    },
    done: (message) => told.delete(message),
  };
}
