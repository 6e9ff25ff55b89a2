import winston from 'winston';
import { createLogOutput, standardOutput } from './log-output.ts';

/** One event: a constant lower-case message, and all that varies in fields. */
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

const { combine, timestamp, printf } = winston.format;

/** A log on standard output. What cannot be written is lost, and how much that was is told later. */
export function createLog({ level, format }: LogOptions): Log {
  const stream = createLogOutput(standardOutput(), (lines) => log.warn('log lines lost', { lines }));
  const log = winston.createLogger({
    level,
    format: combine(timestamp(), printf(format === 'json' ? jsonLine : prettyLine)),
    transports: [new winston.transports.Stream({ stream })],
  });
  return log;
}

/** winston's own JSON sorts the fields by name; people read from the left. */
function jsonLine({ timestamp, level, message, ...fields }: winston.Logform.TransformableInfo): string {
  return toJson({ timestamp, level, message, ...fields });
}

/** What JSON leaves as it is but a terminal may act upon, and what some readers of lines take for the end of one. */
const controls = /[\u007f-\u009f\u2028\u2029]/g;
const escaped = (control: string) => `\\u${control.charCodeAt(0).toString(16).padStart(4, '0')}`;
const toJson = (value: unknown): string => String(JSON.stringify(value)).replace(controls, escaped);

/** Values are JSON, so that a name with a line break in it stays on its line. */
function prettyLine({ timestamp, level, message, ...fields }: winston.Logform.TransformableInfo): string {
  const values = Object.entries(fields).map(([name, value]) => `${name}=${toJson(value)}`);
  return [String(timestamp).slice(11, 23), level.toUpperCase().padEnd(5), message, ...values].join(' ');
}
