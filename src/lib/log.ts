import winston from 'winston';
import { createLogOutput, type LogOutput, standardOutput } from './log-output.ts';

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

/** From the gravest on, as winston counts them. */
const levels: readonly LogOptions['level'][] = ['error', 'warn', 'info', 'debug'];

/** A log on standard output. What cannot be written is lost, and how much that was is told later. */
export function createLog({ level, format }: LogOptions): Log {
  const toLine = format === 'json' ? toJson : prettyLine;
  const output = createLogOutput(standardOutput(), (lines) => log.warn('log lines lost', { lines }));
  const logger = winston.createLogger({ level, format: asItIs, transports: [new Lines(toLine, output)] });
  const at = (own: LogOptions['level']): Log['info'] => {
    if (levels.indexOf(own) > levels.indexOf(level)) return () => {};
    return (message, fields) => {
      logger.log({ timestamp: new Date().toISOString(), level: own, message, ...fields });
    };
  };
  const log = { error: at('error'), warn: at('warn'), info: at('info'), debug: at('debug') };
  return log;
}

/** The line is made in one step where it is written; winston's formats copy an event once for each of theirs. */
const asItIs: winston.Logform.Format = { transform: (event) => event };

/** winston has it, and its types do not say so. */
const { Transport } = winston as unknown as { readonly Transport: new () => winston.transport };

class Lines extends Transport {
  readonly #toLine: (event: Event) => string;
  readonly #output: LogOutput;

  constructor(toLine: (event: Event) => string, output: LogOutput) {
    super();
    this.#toLine = toLine;
    this.#output = output;
  }

  override log = (event: Event, done: () => void): void => {
    this.#output(`${this.#toLine(event)}\n`);
    done();
  };
}

interface Event {
  readonly level: string;
  readonly message: string;
  readonly [field: string]: unknown;
}

/** What JSON leaves as it is but a terminal may act upon, and what some readers of lines take for the end of one. */
const controls = /[\u007f-\u009f\u2028\u2029]/g;
const escaped = (control: string) => `\\u${control.charCodeAt(0).toString(16).padStart(4, '0')}`;
/** With the fields as they stand: winston's own JSON sorts them by name, and people read from the left. */
const toJson = (value: unknown): string => String(JSON.stringify(value)).replace(controls, escaped);

/** Values are JSON, so that a name with a line break in it stays on its line. */
function prettyLine({ timestamp, level, message, ...fields }: Event): string {
  const values = Object.entries(fields).map(([name, value]) => `${name}=${toJson(value)}`);
  return [String(timestamp).slice(11, 23), level.toUpperCase().padEnd(5), message, ...values].join(' ');
}
