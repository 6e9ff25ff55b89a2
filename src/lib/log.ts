import { Writable } from 'node:stream';
import winston from 'winston';
import { createLogOutput, standardOutput } from './log-output.ts';
import { printable } from './text.ts';

/** A structured log. The message of a line is constant and in lower case, except for names such as Secret; all values that vary are in fields. */
export interface Log {
  error(message: string, fields?: object): void;
  warn(message: string, fields?: object): void;
  info(message: string, fields?: object): void;
  debug(message: string, fields?: object): void;
}

export interface LogOptions {
  readonly level: 'error' | 'warn' | 'info' | 'debug';
  readonly format: 'json' | 'pretty';
}

/**
 * Returns a log that writes to standard output. It drops lines that cannot be written; a later line reports their
 * number.
 */
export function createLog({ level, format }: LogOptions): Log {
  const toLine = format === 'json' ? toJson : prettyLine;
  const output = createLogOutput(standardOutput(), (lines) => log.warn('log lines lost', { lines }));
  const stream = new Writable({
    // Keep each line a string, because `standardOutput` joins strings. By default, the stream would convert the line
    // to a Buffer.
    decodeStrings: false,
    write(line: string, _encoding, done) {
      output(line);
      done();
    },
  });
  const logger = winston.createLogger({
    level,
    format: winston.format.printf((event) => toLine(event as unknown as Event)),
    transports: [new winston.transports.Stream({ stream, eol: '\n' })],
  });
  const at = (own: LogOptions['level']): Log['info'] => {
    // Check the level here once, because winston formats each event before it checks the level.
    if (!logger.isLevelEnabled(own)) return () => {};
    return (message, fields) => {
      logger.log({ timestamp: new Date().toISOString(), level: own, message, ...fields });
    };
  };
  const log = { error: at('error'), warn: at('warn'), info: at('info'), debug: at('debug') };
  return log;
}

interface Event {
  readonly timestamp: string;
  readonly level: string;
  readonly message: string;
  readonly [field: string]: unknown;
}

const toJson = (value: unknown): string => printable(String(JSON.stringify(value)));

/** Returns an event as one line of text. The values are JSON, so that a value with a line break stays on the line. */
function prettyLine({ timestamp, level, message, ...fields }: Event): string {
  const values = Object.entries(fields).map(([name, value]) => `${name}=${toJson(value)}`);
  return [timestamp.slice(11, 23), level.toUpperCase().padEnd(5), message, ...values].join(' ');
}
